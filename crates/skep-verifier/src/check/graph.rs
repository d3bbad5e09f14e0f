//! Linked lists and red-black trees of a program's own objects.
//!
//! The head of a list or the root of a tree lies beside the lock that guards it, which must be held. Putting an object
//! in gives its reference to the list or tree: the pointers that remain are *non-owning*, usable until the lock is
//! given back. Taking an object out gives a reference again. Objects that count their references may be in several
//! places. Source: `Documentation/bpf/graph_ds_impl.rst` and `kernel/bpf/verifier.c` of Linux 6.18.

use super::kfunc::KfuncCall;
use super::kfunc_signature::KfuncSignature;
use crate::domain::register::{Kind, ObjectRef, PointerFlags, Register};
use crate::domain::state::{CallbackFrame, CallbackKind, Frame, State};
use crate::reason::Reason;
use crate::refusal::{Check, EINVAL, Refusal};
use crate::special_fields::{Detail, SpecialField};
use crate::verifier::Verifier;
use skep_abi::kfunc::KfuncRule;
use skep_abi::special_field::{SpecialKind, by_struct_name, struct_name};
use skep_isa::Reg;

/// The list or tree that a call is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Graph {
    /// Name of the root's struct.
    name: &'static str,
    /// The type of its members.
    member: ObjectRef,
    /// Where in a member the node is.
    node_offset: u32,
}

impl Verifier<'_> {
    /// The head of a list or the root of a tree.
    pub(crate) fn check_root_argument(
        &mut self,
        state: &State,
        (index, reg): (usize, Reg),
        register: &Register,
        kind: SpecialKind,
        call: &mut KfuncCall,
    ) -> Check {
        let owned_object = matches!(register.kind, Kind::Object(_)) && register.flags.is_empty();
        let map_value = matches!(register.kind, Kind::MapValue(_)) && register.flags.is_empty();
        if !owned_object && !map_value {
            return Reason::Argument.invalid(format!("arg#{index} expected pointer to map value or allocated object"));
        }
        if owned_object && register.reference == 0 {
            return Reason::Argument.invalid("allocated object must be referenced");
        }
        let (field, offset) = self.field_at(reg, register, kind)?;
        let Some(SpecialField { name, detail: Detail::Root(root), .. }) = field else {
            return Reason::Argument.invalid(format!("{} not found at offset={offset}", struct_name(kind)));
        };
        self.check_guarded(state, register, name)?;
        let member = self.object_type(self.btf_around(register)?, root.member)?;
        call.graph = Some(Graph { name, member, node_offset: root.node_offset });
        Ok(())
    }

    /// The lock beside the root must be held.
    fn check_guarded(&self, state: &State, register: &Register, name: &str) -> Check {
        if self.guarding_lock_is_held(state, register) {
            return Ok(());
        }
        let lock = self.record_of(register).and_then(|record| record.of_kind(SpecialKind::SpinLock));
        let at = lock.map_or(-i64::from(EINVAL), |lock| i64::from(lock.offset));
        let refusal = Refusal::new(EINVAL, format!("bpf_spin_lock at off={at} must be held for {name}"))
            .of(Reason::Lock)
            .of(Reason::Lock)
            .hint("take the lock in the same map value or object first");
        let other = !state.locks.is_empty();
        Err(if other { refusal.after("held lock and object are not in the same allocation") } else { refusal })
    }

    /// The field of a kind that a register points to, and where it points.
    fn field_at(&self, reg: Reg, register: &Register, kind: SpecialKind) -> Check<(Option<SpecialField>, i64)> {
        if !register.value.is_constant() {
            return Reason::Argument.invalid(format!(
                "R{} doesn't have constant offset. {name} has to be at the constant offset",
                reg.number(),
                name = struct_name(kind)
            ));
        }
        let offset = i64::from(register.offset).saturating_add(register.value.smin);
        let field = self.record_of(register).and_then(|record| record.at(offset, kind)).copied();
        Ok((field, offset))
    }

    /// The node of an object.
    pub(crate) fn check_node_argument(
        &self,
        state: &State,
        function: &KfuncSignature,
        (index, reg): (usize, Reg),
        kind: SpecialKind,
        call: &mut KfuncCall,
    ) -> Check {
        let register = *state.register(reg);
        let inserts = function.row.rule == KfuncRule::InsertNode;
        if inserts || kind == SpecialKind::ListNode {
            if !matches!(register.kind, Kind::Object(_)) || !register.flags.is_empty() {
                return Reason::Argument.invalid(format!("arg#{index} expected pointer to allocated object"));
            }
            if register.reference == 0 {
                return Reason::Argument.invalid("allocated object must be referenced");
            }
        } else {
            let name = function.row.name;
            let lent = register.is_allocated() && register.flags.contains(PointerFlags::NON_OWNING);
            if !lent && register.reference == 0 {
                return Reason::Argument
                    .invalid(format!("{name} can only take non-owning or refcounted bpf_rb_node pointer"));
            }
            if self.orders_tree(state) {
                return Reason::Argument.invalid(format!("{name} not allowed in rbtree cb"));
            }
        }
        let (field, offset) = self.field_at(reg, &register, kind)?;
        if field.is_none() {
            return Reason::Argument.invalid(format!("{} not found at offset={offset}", struct_name(kind)));
        }
        self.check_membership(&register, offset, kind, call)
    }

    /// The node must be the one by which objects of its type are in this list or tree.
    fn check_membership(&self, register: &Register, offset: i64, kind: SpecialKind, call: &mut KfuncCall) -> Check {
        let (Kind::Object(object), Some(graph)) = (register.kind, call.graph) else {
            return Reason::Argument.invalid("the list or tree is not known");
        };
        let node = struct_name(kind);
        let (wanted, found) = (self.objects.get(graph.member).name(), self.objects.get(object).name());
        if object != graph.member {
            return Reason::Argument.invalid(format!(
                "operation on {} expects arg#1 {node} at offset={} in struct {wanted}, but arg is at offset={offset} in struct {found}",
                graph.name, graph.node_offset
            ));
        }
        if offset != i64::from(graph.node_offset) {
            return Reason::Argument.invalid(format!(
                "arg#1 offset={offset}, but expected {node} at offset={} in struct {wanted}",
                graph.node_offset
            ));
        }
        call.object = Some(object);
        Ok(())
    }

    /// The second argument has moved into the list or tree of the first; a tree asks for its order.
    pub(crate) fn insert_node(&mut self, state: &mut State, call: &KfuncCall) -> Check {
        if let Some(order) = call.callback {
            let mut frame = Frame::new(state.frames.len(), order, state.slot);
            frame.callback = Some(CallbackFrame { returns: (0, 1), kind: CallbackKind::TreeOrder });
            self.set_order_arguments(&mut frame, call)?;
            self.enter_callback(state, state.slot, frame)?;
        }
        let reference = state.register(Reg::R2).reference;
        self.lend_all(state, reference)
    }

    /// A pointer to a node of the list or tree.
    pub(crate) fn node_of(&self, call: &KfuncCall) -> Check<Register> {
        let graph = call.graph.ok_or_else(|| Refusal::new(EINVAL, "the list or tree is not known"))?;
        let pointer = Register::pointer(Kind::Object(graph.member));
        Ok(Register { offset: graph.node_offset as i32, ..pointer })
    }

    /// The two nodes that a tree's order is asked about.
    fn set_order_arguments(&self, frame: &mut Frame, call: &KfuncCall) -> Check {
        let mut node = self.node_of(call)?;
        self.lend(&mut node);
        frame.registers[Reg::R1.index()] = node;
        frame.registers[Reg::R2.index()] = node;
        Ok(())
    }

    /// Whether the running function is the order of a tree: it compares and does nothing else.
    pub(crate) fn orders_tree(&self, state: &State) -> bool {
        state.frame().callback.is_some_and(|callback| callback.kind == CallbackKind::TreeOrder)
    }
}

/// Whether a struct is a node, so that results of that type are members of a list or tree.
pub(crate) fn is_node(name: &str) -> bool {
    by_struct_name(name).is_some_and(|row| matches!(row.kind, SpecialKind::ListNode | SpecialKind::TreeNode))
}
