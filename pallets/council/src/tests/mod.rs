mod consortium;
mod endings;
mod free_calls;
mod motions;
