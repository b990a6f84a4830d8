mod any_calls;
mod registration;
