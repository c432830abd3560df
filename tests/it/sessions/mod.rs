pub mod guessing;
mod legacy;
mod lifetime;
pub mod second_factor;
mod sign_in;
mod tokens;
