mod any_calls;
mod equivocations;
mod founding;
mod gateways;
mod memberships;
mod motions;
mod quotas;
mod validators;
