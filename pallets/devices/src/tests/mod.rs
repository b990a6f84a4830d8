mod any_calls;
mod keys;
mod logs;
mod owners;
mod registration;
