mod any_calls;
mod hostages;
mod keys;
mod logs;
mod owners;
mod registration;
