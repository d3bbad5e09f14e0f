//! The interpreter's loop: one function, instantiated for native and for checked memory.

use std::sync::Arc;

use skep_isa::semantics::{mov_sign_extended, negate};
use skep_isa::{AtomicOp, BinaryOp, Condition, Size, Width};

use crate::atomic::Cell;
use crate::environment::{Environment, Fault};
use crate::executable::{Entry, Executable};
use crate::machine::Machine;
use crate::memory::{FrameBounds, Memory};
use crate::op::{Code, Op, for_each_family};
use crate::paranoid;
use crate::stack::{MAX_FRAMES, Mark};

/// How often one frame's `may_goto` instructions fall through (Linux: `BPF_MAX_LOOPS`).
pub(crate) const MAY_GOTO_BUDGET: u32 = 8 << 20;

/// How instructions reach memory.
trait Access {
    /// Instructions are counted, frames are regions, and nesting is limited.
    const CHECKED: bool;
    /// Each instruction is preceded by a note in the trace, if there is one, and a look at what the verifier claimed.
    const INSPECTED: bool = false;

    /// The native address of `len` bytes.
    fn resolve(machine: &Machine<'_>, address: u64, len: u64, write: bool) -> Result<*mut u8, Fault>;

    /// The native address of `len` bytes behind a typed kernel pointer, if they can be read.
    fn probe(machine: &Machine<'_>, address: u64, len: u64) -> Option<*mut u8>;
}

/// Where no host maps anything for a kernel struct: the pages that a NULL pointer plus a field's offset falls into, and
/// all above the user half of the address space.
pub(crate) const READABLE: std::ops::Range<u64> = 0x1_0000..USER_END;

/// End of the user half: 48 bits of addresses on aarch64, 47 elsewhere, without the last page.
const USER_END: u64 = if cfg!(target_arch = "aarch64") { 0xffff_ffff_f000 } else { 0x7fff_ffff_f000 };

struct Native;

impl Access for Native {
    const CHECKED: bool = false;

    #[inline(always)]
    fn resolve(_: &Machine<'_>, address: u64, _: u64, _: bool) -> Result<*mut u8, Fault> {
        Ok(std::ptr::with_exposed_provenance_mut(address as usize))
    }

    #[inline(always)]
    fn probe(_: &Machine<'_>, address: u64, len: u64) -> Option<*mut u8> {
        let readable = READABLE.contains(&address) && address + len <= READABLE.end;
        readable.then(|| std::ptr::with_exposed_provenance_mut(address as usize))
    }
}

struct Checked;

impl Access for Checked {
    const CHECKED: bool = true;

    #[inline(always)]
    fn resolve(machine: &Machine<'_>, address: u64, len: u64, write: bool) -> Result<*mut u8, Fault> {
        machine.memory.resolve(address, len, write)
    }

    #[inline(always)]
    fn probe(machine: &Machine<'_>, address: u64, len: u64) -> Option<*mut u8> {
        machine.memory.resolve(address, len, false).ok()
    }
}

/// As [`Checked`], and the verifier is checked as well.
struct Inspected;

impl Access for Inspected {
    const CHECKED: bool = true;
    const INSPECTED: bool = true;

    fn resolve(machine: &Machine<'_>, address: u64, len: u64, write: bool) -> Result<*mut u8, Fault> {
        Checked::resolve(machine, address, len, write)
    }

    fn probe(machine: &Machine<'_>, address: u64, len: u64) -> Option<*mut u8> {
        Checked::probe(machine, address, len)
    }
}

/// Runs a function of the machine's current program to its `exit`.
pub(crate) fn execute(
    machine: &mut Machine<'_>,
    environment: &mut dyn Environment,
    entry: Entry,
    args: [u64; 5],
) -> Result<u64, Fault> {
    match machine.memory {
        Memory::Native => call::<Native>(machine, environment, entry, args),
        Memory::Regions(_) if machine.watch.is_some() || machine.trace.is_some() => {
            call::<Inspected>(machine, environment, entry, args)
        }
        Memory::Regions(_) => call::<Checked>(machine, environment, entry, args),
    }
}

/// How a function's code ended.
enum Ended {
    Exit(u64),
    TailCall { target: Arc<Executable>, context: u64 },
}

/// One call: a frame, and the function that runs in it with those it tail-calls.
fn call<A: Access>(
    machine: &mut Machine<'_>,
    environment: &mut dyn Environment,
    entry: Entry,
    args: [u64; 5],
) -> Result<u64, Fault> {
    if A::CHECKED && machine.depth == MAX_FRAMES {
        return Err(Fault::CallDepth);
    }
    machine.depth += 1;
    let caller = machine.native.current;
    let result = run_frames::<A>(machine, environment, entry, args);
    machine.native.current = caller;
    machine.depth -= 1;
    result
}

fn run_frames<A: Access>(
    machine: &mut Machine<'_>,
    environment: &mut dyn Environment,
    mut entry: Entry,
    mut args: [u64; 5],
) -> Result<u64, Fault> {
    loop {
        let executable = machine.running();
        if !executable.get().is_decoded() {
            return Err(Fault::NotDecoded);
        }
        let (frame, mark) = push_frame::<A>(machine, entry.stack_bytes);
        let ended = run::<A>(machine, environment, executable.get(), entry.slot, args, frame);
        pop_frame::<A>(machine, mark);
        match ended? {
            Ended::Exit(r0) => return Ok(r0),
            Ended::TailCall { target, context } => {
                entry = target.main();
                args = [context, 0, 0, 0, 0];
                machine.continue_in(target);
            }
        }
    }
}

#[inline]
fn push_frame<A: Access>(machine: &mut Machine<'_>, stack_bytes: u16) -> (FrameBounds, Mark) {
    let (frame, mark) = machine.stack.push(stack_bytes);
    if A::CHECKED
        && let Memory::Regions(regions) = &mut machine.memory
    {
        regions.push_frame(frame);
    }
    (frame, mark)
}

#[inline]
fn pop_frame<A: Access>(machine: &mut Machine<'_>, mark: Mark) {
    if A::CHECKED
        && let Memory::Regions(regions) = &mut machine.memory
    {
        regions.pop_frame();
    }
    machine.stack.pop(mark);
}

/// Registers r0 to r10. Sixteen, so that a masked register number needs no bounds check.
pub(crate) type Registers = [u64; 16];

#[inline(always)]
fn operand_address(op: Op, base: u64) -> u64 {
    base.wrapping_add(op.offset as i64 as u64)
}

/// Calls what `address` names: a function of the program, else a helper by its number.
#[cold]
fn call_register<A: Access>(
    machine: &mut Machine<'_>,
    environment: &mut dyn Environment,
    executable: &Executable,
    address: u64,
    args: [u64; 5],
) -> Result<u64, Fault> {
    if let Some(entry) = executable.function(address) {
        return call::<A>(machine, environment, entry, args);
    }
    let helper = u32::try_from(address).map_err(|_| Fault::BadFunction(address))?;
    environment.call_helper(helper, args, machine)
}

macro_rules! define_run {
    (
        alu { $($alu:ident $ar64:ident $ai64:ident $ar32:ident $ai32:ident;)* }
        jump { $($cond:ident $jr64:ident $ji64:ident $jr32:ident $ji32:ident;)* }
        atomic { $(($atomic:expr) $at64:ident $at32:ident;)* }
        access { $($size:ident $u:ident $s:ident $ld:ident $ldsx:ident $stx:ident $st:ident $acq:ident $rel:ident $pb:ident $pbsx:ident $pbacq:ident;)* }
    ) => {
        /// Runs from `slot` in a frame that is ready, until the function exits or tail-calls.
        #[allow(clippy::cast_lossless, reason = "the arms of all sizes are written once")]
        fn run<A: Access>(
            machine: &mut Machine<'_>,
            environment: &mut dyn Environment,
            executable: &Executable,
            slot: u32,
            args: [u64; 5],
            frame: FrameBounds,
        ) -> Result<Ended, Fault> {
            let ops = executable.ops();
            let mut pc = slot as usize;
            let mut loops_left = MAY_GOTO_BUDGET;
            let mut r: Registers = [0; 16];
            r[1..6].copy_from_slice(&args);
            r[10] = frame.bottom.addr().get() as u64 + frame.len as u64;

            macro_rules! binary {
                ($op:ident, $width:ident, $dst:expr, $src:expr) => {
                    r[$dst] = BinaryOp::$op.eval(Width::$width, r[$dst], $src)
                };
            }
            macro_rules! branch {
                ($op:expr, $condition:ident, $width:ident, $left:expr, $right:expr) => {
                    if Condition::$condition.eval(Width::$width, $left, $right) {
                        pc = $op.target();
                    }
                };
            }
            macro_rules! resolve {
                ($int:ty, $address:expr, $write:expr) => {
                    A::resolve(machine, $address, size_of::<$int>() as u64, $write)?.cast::<$int>()
                };
            }
            macro_rules! probe {
                ($int:ty, $op:expr, |$from:ident| $load:expr) => {
                    r[usize::from($op.dst & 15)] =
                        match A::probe(machine, operand_address($op, r[usize::from($op.src & 15)]), size_of::<$int>() as u64) {
                            Some(memory) => {
                                let $from = memory.cast::<$int>();
                                $load
                            }
                            None => 0,
                        }
                };
            }
            macro_rules! packet {
                ($packet_size:ident, $offset:expr) => {
                    match environment.load_packet(r[6], $offset as i32, Size::$packet_size) {
                        Some(value) => {
                            r[0] = value;
                            r[1..6].fill(0);
                        }
                        None => return Ok(Ended::Exit(0)),
                    }
                };
            }
            macro_rules! end_on_tail_call {
                ($context:expr) => {
                    if let Some(target) = machine.next.take() {
                        return Ok(Ended::TailCall { target, context: $context });
                    }
                };
            }

            loop {
                if A::CHECKED {
                    if machine.budget_left == 0 {
                        return Err(Fault::Budget(machine.budget));
                    }
                    machine.budget_left -= 1;
                }
                if A::INSPECTED {
                    if let Some(trace) = &mut machine.trace {
                        trace.note(pc, machine.depth, &r);
                    }
                    paranoid::inspect(machine, environment, executable, pc, &r, frame)?;
                }
                debug_assert!(pc < ops.len());
                // SAFETY: `pc` is an entry or jump target, both below the number of slots, or one past an operation
                // that is not the last: the last is `Invalid`, which returns. (`Executable`'s invariant; the only
                // operation that advances by two is followed by its own second slot.)
                let op = unsafe { *ops.get_unchecked(pc) };
                pc += 1;
                let (dst, src) = (usize::from(op.dst & 15), usize::from(op.src & 15));
                match op.code {
                    $(
                        Code::$ar64 => binary!($alu, W64, dst, r[src]),
                        Code::$ai64 => binary!($alu, W64, dst, op.imm as u64),
                        Code::$ar32 => binary!($alu, W32, dst, r[src]),
                        Code::$ai32 => binary!($alu, W32, dst, op.imm as u64),
                    )*
                    $(
                        Code::$jr64 => branch!(op, $cond, W64, r[dst], r[src]),
                        Code::$ji64 => branch!(op, $cond, W64, r[dst], op.imm as u64),
                        Code::$jr32 => branch!(op, $cond, W32, r[dst], r[src]),
                        Code::$ji32 => branch!(op, $cond, W32, r[dst], op.imm as u64),
                    )*
                    $(
                        Code::$ld => {
                            let from = resolve!($u, operand_address(op, r[src]), false);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            r[dst] = unsafe { from.read_unaligned() } as u64;
                        }
                        Code::$ldsx => {
                            let from = resolve!($s, operand_address(op, r[src]), false);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            r[dst] = unsafe { from.read_unaligned() } as i64 as u64;
                        }
                        Code::$stx => {
                            let into = resolve!($u, operand_address(op, r[dst]), true);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            unsafe { into.write_unaligned(r[src] as $u) };
                        }
                        Code::$st => {
                            let into = resolve!($u, operand_address(op, r[dst]), true);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            unsafe { into.write_unaligned(op.imm as $u) };
                        }
                        Code::$acq => {
                            let from = resolve!($u, operand_address(op, r[src]), false);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            r[dst] = unsafe { <$u>::load_acquire(from) };
                        }
                        Code::$rel => {
                            let into = resolve!($u, operand_address(op, r[dst]), true);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            unsafe { <$u>::store_release(into, r[src]) };
                        }
                        // SAFETY: checked by `probe`; what it cannot tell is that a pointer which is neither NULL nor
                        // out of user space leads to a struct of its type, which `Executable::run` asks of its caller.
                        Code::$pb => probe!($u, op, |from| unsafe { from.read_unaligned() } as u64),
                        // SAFETY: as above.
                        Code::$pbsx => probe!($s, op, |from| unsafe { from.read_unaligned() } as i64 as u64),
                        // SAFETY: as above.
                        Code::$pbacq => probe!($u, op, |from| unsafe { <$u>::load_acquire(from) }),
                    )*
                    $(
                        Code::$at64 => {
                            let cell = resolve!(u64, operand_address(op, r[dst]), true);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            let old = unsafe { u64::read_modify_write(cell, $atomic, r[src], r[0]) };
                            put_fetched($atomic, old, &mut r, src);
                        }
                        Code::$at32 => {
                            let cell = resolve!(u32, operand_address(op, r[dst]), true);
                            // SAFETY: checked by `resolve`, or proved by the verifier.
                            let old = unsafe { u32::read_modify_write(cell, $atomic, r[src], r[0]) };
                            put_fetched($atomic, old, &mut r, src);
                        }
                    )*
                    Code::MovSx64From8 => r[dst] = mov_sign_extended(Width::W64, Size::Byte, r[src]),
                    Code::MovSx64From16 => r[dst] = mov_sign_extended(Width::W64, Size::Half, r[src]),
                    Code::MovSx64From32 => r[dst] = mov_sign_extended(Width::W64, Size::Word, r[src]),
                    Code::MovSx32From8 => r[dst] = mov_sign_extended(Width::W32, Size::Byte, r[src]),
                    Code::MovSx32From16 => r[dst] = mov_sign_extended(Width::W32, Size::Half, r[src]),
                    Code::Neg64 => r[dst] = negate(Width::W64, r[dst]),
                    Code::Neg32 => r[dst] = negate(Width::W32, r[dst]),
                    Code::Swap16 => r[dst] = (r[dst] as u16).swap_bytes().into(),
                    Code::Swap32 => r[dst] = (r[dst] as u32).swap_bytes().into(),
                    Code::Swap64 => r[dst] = r[dst].swap_bytes(),
                    Code::Low16 => r[dst] = Size::Half.truncate(r[dst]),
                    Code::Low32 => r[dst] = Size::Word.truncate(r[dst]),
                    Code::LoadImm64 => {
                        r[dst] = op.imm as u64;
                        pc += 1;
                    }
                    Code::PacketAbs8 => packet!(Byte, op.imm),
                    Code::PacketAbs16 => packet!(Half, op.imm),
                    Code::PacketAbs32 => packet!(Word, op.imm),
                    Code::PacketInd8 => packet!(Byte, r[src].wrapping_add(op.imm as u64)),
                    Code::PacketInd16 => packet!(Half, r[src].wrapping_add(op.imm as u64)),
                    Code::PacketInd32 => packet!(Word, r[src].wrapping_add(op.imm as u64)),
                    Code::Jump => pc = op.target(),
                    Code::MayGoto => match loops_left.checked_sub(1) {
                        Some(left) => loops_left = left,
                        None => pc = op.target(),
                    },
                    Code::CallHelper => {
                        r[0] = environment.call_helper(op.imm as u32, arguments(&r), machine)?;
                        end_on_tail_call!(r[1]);
                    }
                    Code::CallFunction => {
                        let entry = Entry { slot: op.offset as u32, stack_bytes: op.imm as u16 };
                        r[0] = call::<A>(machine, environment, entry, arguments(&r))?;
                    }
                    Code::CallKfunc => {
                        let (id, btf) = (op.imm as u32, op.offset as i16);
                        r[0] = environment.call_kfunc(id, btf, arguments(&r), machine)?;
                    }
                    Code::CallReg => {
                        r[0] = call_register::<A>(machine, environment, executable, r[dst], arguments(&r))?;
                        end_on_tail_call!(r[1]);
                    }
                    Code::Exit => return Ok(Ended::Exit(r[0])),
                    Code::Invalid => return Err(Fault::BadInstruction(pc as u32 - 1)),
                }
            }
        }
    };
}

for_each_family!(define_run);

#[inline(always)]
fn arguments(r: &Registers) -> [u64; 5] {
    [r[1], r[2], r[3], r[4], r[5]]
}

/// Gives the old contents of a cell to the register that receives them, if one does.
#[inline(always)]
fn put_fetched(op: AtomicOp, old: u64, r: &mut Registers, src: usize) {
    match op {
        AtomicOp::Cmpxchg => r[0] = old,
        _ if op.fetches() => r[src] = old,
        _ => {}
    }
}
