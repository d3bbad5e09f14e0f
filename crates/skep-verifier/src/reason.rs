//! What refusals are about: one row per kind, with the words for people.

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct ReasonInfo {
    /// Short name in lower case with hyphens, stable: SARIF rule id, anchor in the documentation.
    pub id: &'static str,
    /// What is wrong, in a few words.
    pub title: &'static str,
    /// What such an instruction needs.
    pub needed: &'static str,
    /// What to do about it. Empty where there is nothing general to say.
    pub advice: &'static str,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident: $id:literal, $title:literal, $needed:literal, $advice:literal;)*) => {
        /// What a refusal is about.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All, in the table's order.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// Its row.
            pub const fn info(self) -> &'static ReasonInfo {
                match self {
                    $(Reason::$name => &ReasonInfo { id: $id, title: $title, needed: $needed, advice: $advice },)*
                }
            }
        }
    };
}

reasons! {
    /// Not told apart from others; the message says what it is.
    #[default]
    Other: "refused", "refused by the verifier", "", "";
    /// A pointer that may be NULL is used.
    MaybeNull: "missing-null-check", "pointer may be NULL",
        "a pointer that cannot be NULL",
        "test it first: `if (!ptr) return 0;`. The test must be of this very pointer, before this line, on every path";
    /// A number is used as an address.
    NotAPointer: "not-a-pointer", "a number is used as an address",
        "a pointer to memory the program may access",
        "the verifier lost track of this pointer, or it never was one: avoid casts to integers and back, 32-bit arithmetic on pointers and \
         reloading it after a helper call that invalidates it; read kernel memory with bpf_probe_read_kernel() or through a BTF-typed pointer";
    /// Packet bytes not shown to exist.
    PacketBound: "missing-packet-bound", "packet access without bound check",
        "bytes of the packet that are known to exist",
        "compare the address past the last byte with data_end first: `if (data + sizeof(*hdr) > data_end) return XDP_PASS;`, \
         and again after any helper that changes the packet; limit variable offsets before adding them";
    /// An offset or size without upper bound.
    Unbounded: "unbounded-offset", "offset or size has no upper bound",
        "a number with a known upper bound",
        "limit it right before its use: `if (i >= SIZE) return 0;` or `i &= SIZE - 1;`, on an unsigned variable; the compiler must not \
         check one copy and use another, which `barrier_var(i)` prevents";
    /// A pointer is moved too far, though nothing is accessed yet.
    FarPointer: "far-pointer", "pointer may be moved too far",
        "a number between -2^29 and 2^29 to add to a pointer",
        "bound the number first, from below and above: keep it unsigned and mask it (`i &= SIZE - 1;`), or test it right before";
    /// An offset or size that may be negative.
    Negative: "negative-offset", "offset or size may be negative",
        "a number that cannot be negative",
        "make the variable unsigned, or test `if (i < 0)` too, before using it as an index or size";
    /// An access outside of a memory region.
    OutOfBounds: "out-of-bounds", "access outside of the memory region",
        "an access that lies inside the region on every path",
        "compare the index with the size before the access; mind that an access of n bytes needs n bytes from there on";
    /// A register without a value is read.
    UninitialisedRegister: "uninitialised-register", "value was never set",
        "a value set on every path that leads here",
        "set the variable where it is declared; after a call, r1 to r5 hold nothing";
    /// Stack bytes never written are read.
    UninitialisedStack: "uninitialised-stack", "stack memory was never written",
        "stack bytes written before on every path",
        "initialise the variable: `struct key k = {};`; padding counts, so clear a whole struct with __builtin_memset()";
    /// An access outside of the stack.
    StackBounds: "stack-bounds", "access outside of the stack",
        "an access between fp-512 and fp-1",
        "a function's stack is 512 bytes; large variables belong into a map value or a per-CPU array";
    /// Stack of a chain of calls too large.
    StackTooDeep: "stack-too-deep", "call chain uses too much stack",
        "at most 512 bytes of stack over all functions of a call chain",
        "move large variables into a map value (a per-CPU array of one element serves as scratch memory), or call less deeply";
    /// A pointer to the stack of another frame or a spilled pointer misused.
    StackMisuse: "stack-misuse", "stack slot is used in a way that is not allowed",
        "pointers stored and loaded whole, eight bytes at an aligned place",
        "do not overwrite part of a stored pointer, and do not load part of one";
    /// References left unreleased.
    UnreleasedReference: "unreleased-reference", "reference is not released",
        "everything acquired given back on every path",
        "release it before every return, also the early ones: bpf_sk_release(), bpf_ringbuf_submit() or _discard(), bpf_kptr_xchg(), \
         the release function of the kfunc";
    /// Something passed as a reference that is none.
    NotAcquired: "not-acquired", "released what was not acquired",
        "a pointer that was acquired and not released yet",
        "release exactly the pointer that the acquiring function returned, once, unchanged";
    /// A loop that repeats a state.
    InfiniteLoop: "infinite-loop", "loop never ends",
        "a loop that comes closer to its end with every round",
        "nothing changes from one round to the next: count up to a constant bound, or use bpf_for(), bpf_loop() or an iterator";
    /// Limits of exploration.
    TooComplex: "too-complex", "program is too complex to verify",
        "at most a million instructions over all paths",
        "branches inside loops multiply: move the loop body into a global function or a bpf_loop() callback, use bpf_for(), \
         make bounds smaller, or keep flags out of loops; `skep check --log-level 4` counts";
    /// A helper this program type does not have.
    HelperNotAllowed: "helper-not-allowed", "function is not available here",
        "a helper or kernel function that this program type may call",
        "use another function or another program type; `bpftool feature probe` lists what a kernel has";
    /// A function for GPL programs.
    Licence: "gpl-only", "function is for GPL-compatible programs",
        "a GPL-compatible licence",
        "declare one: char LICENSE[] SEC(\"license\") = \"GPL\";";
    /// What the program is attached to does not allow it.
    Attach: "attach-target", "program cannot be attached there",
        "a target that takes such a program",
        "a replacement is declared exactly like the global function it replaces, and may do no more than that one: move packets, sleep";
    /// A wrong return value.
    ReturnRange: "return-value", "return value is out of range",
        "a return value that the hook understands",
        "return one of the values this program type allows on every path; a value from elsewhere must be limited first";
    /// A misaligned access.
    Misaligned: "misaligned", "access is misaligned",
        "an address that is a multiple of the access size",
        "align the variable or field (`__attribute__((aligned(8)))`, no `packed`), or access it byte by byte";
    /// Something that sleeps where nothing may.
    Sleeping: "sleeping", "may not sleep here",
        "a sleepable program outside of RCU, preempt-off, IRQ-off and lock sections",
        "declare the program sleepable (SEC(\"lsm.s/...\"), SEC(\"fentry.s/...\")), or leave the section first";
    /// Arithmetic with pointers.
    PointerArithmetic: "pointer-arithmetic", "pointer arithmetic is not allowed",
        "addition of a bounded number to a pointer that allows it, in 64 bits",
        "null-check pointers before calculating with them; keep offsets bounded and 64 bits wide; do not change context and kernel-object pointers";
    /// Addresses given away.
    PointerLeak: "pointer-leak", "kernel address would leak",
        "no kernel addresses where user space or unprivileged code can read them",
        "store the value, not the pointer; programs with CAP_PERFMON may leak addresses";
    /// Memory that may only be read.
    ReadOnly: "read-only", "memory may not be written",
        "memory that may be written",
        "copy what you need to the stack and change the copy; maps with BPF_F_RDONLY_PROG, keys and read-only arguments stay as they are";
    /// Fields of the context.
    Context: "context-access", "no such access to the context",
        "a field of this program type's context, with its offset and size",
        "use the context struct of this program type and access whole fields; some fields may only be read, some only by some attach types; \
         the context pointer itself must not be changed";
    /// Arguments of the wrong kind.
    Argument: "wrong-argument", "argument is of the wrong kind",
        "an argument of the kind that the function takes",
        "pass what the function's signature asks for; a pointer that passed through an integer or another map may have lost its type";
    /// A value that must be constant.
    Constant: "constant-needed", "value must be known",
        "a value that is known when the program is verified",
        "pass a constant, or one per branch: `if (n == 4) f(4); else if (n == 8) f(8);`";
    /// Locks.
    Lock: "lock", "spin lock is misused",
        "one lock at a time, taken and released on every path, with no calls in between",
        "take one lock, call nothing but the unlock while holding it, and release that same lock on every path";
    /// Fields of map values that belong to the kernel.
    SpecialField: "special-field", "field belongs to the kernel",
        "an access by the functions made for this field",
        "locks, timers, kptrs and list heads may only be used through their functions, at their exact offset";
    /// The shape of the code.
    ControlFlow: "control-flow", "control flow is not valid",
        "every instruction reachable, every jump inside its function, every path ending in exit",
        "compile again with clang; hand-written assembly must jump within its function and end in exit";
    /// Frames.
    CallDepth: "call-depth", "calls are nested too deeply",
        "at most eight frames",
        "call less deeply: mark small functions `static __always_inline`";
    /// What this verifier does not know.
    Unsupported: "not-supported", "this verifier does not know it yet",
        "", "ask the kernel: `skep check --kernel linux`";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own_and_advice() {
        let mut ids: Vec<&str> = Reason::ALL.iter().map(|reason| reason.info().id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), Reason::ALL.len());
        for reason in Reason::ALL.iter().filter(|reason| **reason != Reason::Other) {
            let info = reason.info();
            assert!(!info.title.is_empty() && !info.advice.is_empty(), "{}", info.id);
            assert!(info.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", info.id);
        }
    }
}
