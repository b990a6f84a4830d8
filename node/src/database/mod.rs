//! The database on the disk: whether its creation was completed, whether its files are there, and the free space.

pub mod disk_space;
mod error;
pub mod folder;

pub use error::DatabaseError;
