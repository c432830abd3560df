pub mod guessing;
mod lifetime;
pub mod second_factor;
mod sign_in;
mod tokens;
