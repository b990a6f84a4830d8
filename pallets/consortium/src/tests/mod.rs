mod any_calls;
mod founding;
mod gateways;
mod motions;
mod quotas;
mod validators;
