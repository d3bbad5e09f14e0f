//! What descriptors, ids and pins stand for: maps, programs, BTF, links, perf events.
//!
//! An object lives as long as somebody holds it: a descriptor, a pin, a link, a program that uses the map, a run. Ids do
//! not hold.

mod attachments;
mod btf;
mod descriptors;
mod ids;
mod link;
mod map;
mod pins;
mod program;

pub use attachments::AttachPoint;
pub(crate) use attachments::Attachments;
pub(crate) use btf::BtfObject;
pub(crate) use descriptors::{Access, Descriptor, DescriptorTable, Object};
pub(crate) use ids::Ids;
pub(crate) use link::Link;
pub(crate) use map::{Map, MapReference, MapTypes};
pub(crate) use pins::Pins;
pub use program::Program;
pub(crate) use program::{LoadRecord, TailCallTraits};
