mod any_calls;
mod equivocations;
mod founding;
mod validators;
