// SPDX-License-Identifier: MIT OR Apache-2.0
// Version 2, with memory: a session is a flow whose URL has started and not ended. Its next packets are passed on
// too, in order, until the URL is whole or grows too long. User space puts the pieces together and removes sessions
// that fell silent.
#include "http.bpf.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define URL_MAX 8192
#define CHUNK 64 // bytes looked at in one step

struct session {
    __u32 sequence; // of the byte expected next
    __u32 url_len;  // bytes of it so far
};

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1024);
    __type(key, struct flow);
    __type(value, struct session);
} sessions SEC(".maps");

// A walk through the payload in chunks.
struct scan {
    struct __sk_buff *skb;
    __u32 at;
    __u32 end;
    bool found;
};

// A number with this byte in all of its eight places.
#define EVERY(byte) (0x0101010101010101ULL * (byte))

// Not zero if one of the eight bytes of `word` is `byte`. Arithmetic only: a branch per byte would make the verifier
// follow two paths sixty-four times over.
static __always_inline __u64 contains(__u64 word, __u8 byte)
{
    __u64 difference = word ^ EVERY(byte);
    return (difference - EVERY(0x01)) & ~difference & EVERY(0x80);
}

// Looks for the byte that ends a URL: a blank or the end of the line.
static long scan_chunk(__u64 index, struct scan *scan)
{
    __u64 words[CHUNK / sizeof(__u64)] = {}; // the zeros behind a short last chunk end no URL
    __u32 start = scan->at + index * CHUNK;
    __s32 len = scan->end - start;
    if (len <= 0)
        return 1;
    if (len > CHUNK)
        len = CHUNK;
    if (bpf_skb_load_bytes(scan->skb, start, words, len) < 0)
        return 1;

    __u64 found = 0;
    for (int i = 0; i < CHUNK / sizeof(__u64); i++)
        found |= contains(words[i], ' ') | contains(words[i], '\r') | contains(words[i], '\n');
    scan->found = found != 0;
    return found != 0;
}

SEC("socket")
int url_filter(struct __sk_buff *skb)
{
    struct segment segment = {};
    if (!find_segment(skb, &segment))
        return NOTHING;

    struct session next = {};
    struct scan scan = { .skb = skb, .at = segment.payload, .end = segment.end };
    struct session *known = bpf_map_lookup_elem(&sessions, &segment.flow);
    if (known && known->sequence == segment.sequence) {
        next.url_len = known->url_len;
    } else {
        __u32 method = method_len(skb, &segment);
        if (!method)
            return NOTHING;
        scan.at += method;
    }

    bpf_loop(URL_MAX / CHUNK + 1, scan_chunk, &scan, 0);
    next.sequence = segment.sequence + (segment.end - segment.payload);
    next.url_len += scan.end - scan.at;
    if (scan.found || next.url_len > URL_MAX)
        bpf_map_delete_elem(&sessions, &segment.flow);
    else
        bpf_map_update_elem(&sessions, &segment.flow, &next, BPF_ANY);
    return WHOLE_PACKET;
}
