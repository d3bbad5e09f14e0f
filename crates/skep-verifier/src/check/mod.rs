//! The checkers that discharge obligations: one file per kind of thing that can be accessed or called.

pub(crate) mod arena;
pub(crate) mod arguments;
pub(crate) mod btf;
pub(crate) mod call;
pub(crate) mod callback;
pub(crate) mod cast;
pub(crate) mod context;
pub(crate) mod dynptr;
pub(crate) mod exception;
pub(crate) mod exit;
pub(crate) mod global;
pub(crate) mod interrupt_flag;
pub(crate) mod iterator;
pub(crate) mod kfunc;
pub(crate) mod kfunc_dynptr;
pub(crate) mod kfunc_rule;
pub(crate) mod kfunc_signature;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod memory;
pub(crate) mod packet;
pub(crate) mod pointer_arithmetic;
pub(crate) mod returns;
pub(crate) mod section;
pub(crate) mod stack;
pub(crate) mod subprogram;
