pub mod guessing;
mod legacy;
mod lifetime;
mod one_shot;
pub mod second_factor;
mod sign_in;
mod tokens;
