//! What is known of registers, stack and program at one point of a path.

pub mod arithmetic;
pub mod dynptr;
pub mod known_bits;
pub mod precision;
pub mod refine;
pub mod register;
pub mod scalar;
pub mod sections;
pub mod stack;
pub mod state;

#[cfg(test)]
mod monotonicity;
#[cfg(test)]
mod tests;
