// Section names: type, attach type, target, sleepable, fragments, and the question mark.
#include "test_helpers.h"

#define PROGRAM(section, name) SEC(section) int name(void *ctx) { return 0; }

PROGRAM("socket", p_socket_filter)
PROGRAM("xdp", p_xdp)
PROGRAM("xdp.frags", p_xdp_frags)
PROGRAM("xdp/devmap", p_xdp_devmap)
PROGRAM("tc", p_tc)
PROGRAM("tcx/ingress", p_tcx_ingress)
PROGRAM("classifier", p_classifier)
PROGRAM("kprobe/do_unlinkat", p_kprobe)
PROGRAM("kretprobe/do_unlinkat", p_kretprobe)
PROGRAM("uprobe//bin/bash:readline", p_uprobe)
PROGRAM("uretprobe.s", p_uretprobe_sleepable)
PROGRAM("ksyscall/openat", p_ksyscall)
PROGRAM("kprobe.multi/vfs_*", p_kprobe_multi)
PROGRAM("usdt//bin/x:a:b", p_usdt)
PROGRAM("tracepoint/syscalls/sys_enter_openat", p_tracepoint)
PROGRAM("tp/sched/sched_switch", p_tp)
PROGRAM("raw_tp/sched_switch", p_raw_tp)
PROGRAM("raw_tp.w/x", p_raw_tp_writable)
PROGRAM("tp_btf/sched_switch", p_tp_btf)
PROGRAM("fentry/vfs_read", p_fentry)
PROGRAM("fexit.s/vfs_read", p_fexit_sleepable)
PROGRAM("fmod_ret/bpf_modify_return_test", p_fmod_ret)
PROGRAM("freplace/f", p_freplace)
PROGRAM("lsm/file_open", p_lsm)
PROGRAM("lsm.s/file_open", p_lsm_sleepable)
PROGRAM("lsm_cgroup/socket_bind", p_lsm_cgroup)
PROGRAM("iter/task", p_iter)
PROGRAM("iter.s/task", p_iter_sleepable)
PROGRAM("syscall", p_syscall)
PROGRAM("perf_event", p_perf_event)
PROGRAM("sockops", p_sockops)
PROGRAM("sk_skb/stream_verdict", p_sk_skb_verdict)
PROGRAM("sk_skb", p_sk_skb)
PROGRAM("sk_msg", p_sk_msg)
PROGRAM("sk_lookup", p_sk_lookup)
PROGRAM("sk_reuseport/migrate", p_reuseport_migrate)
PROGRAM("flow_dissector", p_flow_dissector)
PROGRAM("lirc_mode2", p_lirc)
PROGRAM("lwt_xmit", p_lwt_xmit)
PROGRAM("netfilter", p_netfilter)
PROGRAM("cgroup_skb/egress", p_cgroup_egress)
PROGRAM("cgroup/skb", p_cgroup_skb)
PROGRAM("cgroup/sock_create", p_sock_create)
PROGRAM("cgroup/connect4", p_connect4)
PROGRAM("cgroup/sendmsg_unix", p_sendmsg_unix)
PROGRAM("cgroup/getsockopt", p_getsockopt)
PROGRAM("cgroup/dev", p_device)
PROGRAM("cgroup/sysctl", p_sysctl)
PROGRAM("struct_ops/member", p_struct_ops)
PROGRAM("struct_ops.s/member", p_struct_ops_sleepable)
PROGRAM("?xdp", p_not_by_default)
PROGRAM("no_such_section", p_unknown)

/* expect:
program p_socket_filter in socket
  type SocketFilter
  functions p_socket_filter Global
program p_xdp in xdp
  type Xdp attach xdp
  functions p_xdp Global
program p_xdp_frags in xdp.frags
  type Xdp attach xdp frags
  functions p_xdp_frags Global
program p_xdp_devmap in xdp/devmap
  type Xdp attach xdp_devmap
  functions p_xdp_devmap Global
program p_tc in tc
  type SchedCls
  functions p_tc Global
program p_tcx_ingress in tcx/ingress
  type SchedCls attach tcx_ingress
  functions p_tcx_ingress Global
program p_classifier in classifier
  type SchedCls
  functions p_classifier Global
program p_kprobe in kprobe/do_unlinkat
  type Kprobe to "do_unlinkat"
  functions p_kprobe Global
program p_kretprobe in kretprobe/do_unlinkat
  type Kprobe to "do_unlinkat"
  functions p_kretprobe Global
program p_uprobe in uprobe//bin/bash:readline
  type Kprobe to "/bin/bash:readline"
  functions p_uprobe Global
program p_uretprobe_sleepable in uretprobe.s
  type Kprobe sleepable
  functions p_uretprobe_sleepable Global
program p_ksyscall in ksyscall/openat
  type Kprobe to "openat"
  functions p_ksyscall Global
program p_kprobe_multi in kprobe.multi/vfs_*
  type Kprobe attach trace_kprobe_multi to "vfs_*"
  functions p_kprobe_multi Global
program p_usdt in usdt//bin/x:a:b
  type Kprobe to "/bin/x:a:b"
  functions p_usdt Global
program p_tracepoint in tracepoint/syscalls/sys_enter_openat
  type Tracepoint to "syscalls/sys_enter_openat"
  functions p_tracepoint Global
program p_tp in tp/sched/sched_switch
  type Tracepoint to "sched/sched_switch"
  functions p_tp Global
program p_raw_tp in raw_tp/sched_switch
  type RawTracepoint to "sched_switch"
  functions p_raw_tp Global
program p_raw_tp_writable in raw_tp.w/x
  type RawTracepointWritable to "x"
  functions p_raw_tp_writable Global
program p_tp_btf in tp_btf/sched_switch
  type Tracing attach trace_raw_tp to "sched_switch"
  functions p_tp_btf Global
program p_fentry in fentry/vfs_read
  type Tracing attach trace_fentry to "vfs_read"
  functions p_fentry Global
program p_fexit_sleepable in fexit.s/vfs_read
  type Tracing attach trace_fexit to "vfs_read" sleepable
  functions p_fexit_sleepable Global
program p_fmod_ret in fmod_ret/bpf_modify_return_test
  type Tracing attach modify_return to "bpf_modify_return_test"
  functions p_fmod_ret Global
program p_freplace in freplace/f
  type Ext to "f"
  functions p_freplace Global
program p_lsm in lsm/file_open
  type Lsm attach lsm_mac to "file_open"
  functions p_lsm Global
program p_lsm_sleepable in lsm.s/file_open
  type Lsm attach lsm_mac to "file_open" sleepable
  functions p_lsm_sleepable Global
program p_lsm_cgroup in lsm_cgroup/socket_bind
  type Lsm attach lsm_cgroup to "socket_bind"
  functions p_lsm_cgroup Global
program p_iter in iter/task
  type Tracing attach trace_iter to "task"
  functions p_iter Global
program p_iter_sleepable in iter.s/task
  type Tracing attach trace_iter to "task" sleepable
  functions p_iter_sleepable Global
program p_syscall in syscall
  type Syscall sleepable
  functions p_syscall Global
program p_perf_event in perf_event
  type PerfEvent
  functions p_perf_event Global
program p_sockops in sockops
  type SockOps attach cgroup_sock_ops
  functions p_sockops Global
program p_sk_skb_verdict in sk_skb/stream_verdict
  type SkSkb attach sk_skb_stream_verdict
  functions p_sk_skb_verdict Global
program p_sk_skb in sk_skb
  type SkSkb
  functions p_sk_skb Global
program p_sk_msg in sk_msg
  type SkMsg attach sk_msg_verdict
  functions p_sk_msg Global
program p_sk_lookup in sk_lookup
  type SkLookup attach sk_lookup
  functions p_sk_lookup Global
program p_reuseport_migrate in sk_reuseport/migrate
  type SkReuseport attach sk_reuseport_select_or_migrate
  functions p_reuseport_migrate Global
program p_flow_dissector in flow_dissector
  type FlowDissector attach flow_dissector
  functions p_flow_dissector Global
program p_lirc in lirc_mode2
  type LircMode2 attach lirc_mode2
  functions p_lirc Global
program p_lwt_xmit in lwt_xmit
  type LwtXmit
  functions p_lwt_xmit Global
program p_netfilter in netfilter
  type Netfilter attach netfilter
  functions p_netfilter Global
program p_cgroup_egress in cgroup_skb/egress
  type CgroupSkb attach cgroup_inet_egress
  functions p_cgroup_egress Global
program p_cgroup_skb in cgroup/skb
  type CgroupSkb
  functions p_cgroup_skb Global
program p_sock_create in cgroup/sock_create
  type CgroupSock attach cgroup_inet_sock_create
  functions p_sock_create Global
program p_connect4 in cgroup/connect4
  type CgroupSockAddr attach cgroup_inet4_connect
  functions p_connect4 Global
program p_sendmsg_unix in cgroup/sendmsg_unix
  type CgroupSockAddr attach cgroup_unix_sendmsg
  functions p_sendmsg_unix Global
program p_getsockopt in cgroup/getsockopt
  type CgroupSockopt attach cgroup_getsockopt
  functions p_getsockopt Global
program p_device in cgroup/dev
  type CgroupDevice attach cgroup_device
  functions p_device Global
program p_sysctl in cgroup/sysctl
  type CgroupSysctl attach cgroup_sysctl
  functions p_sysctl Global
program p_struct_ops in struct_ops/member
  type StructOps to "member"
  functions p_struct_ops Global
program p_struct_ops_sleepable in struct_ops.s/member
  type StructOps to "member" sleepable
  functions p_struct_ops_sleepable Global
program p_not_by_default in ?xdp (not by default)
  type Xdp attach xdp
  functions p_not_by_default Global
program p_unknown in no_such_section
  type unknown
  functions p_unknown Global
*/
