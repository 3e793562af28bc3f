//! Conversations with the demo model over a small world, compared with what is true of it.

mod circumstances;
mod generated;
mod studio;
mod world;
