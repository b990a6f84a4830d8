mod accounts;
mod any_calls;
mod founding;
mod gateways;
mod membership;
