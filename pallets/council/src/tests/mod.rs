mod consortium;
mod free_calls;
mod motions;
