mod describe;
mod list;
mod search;

/// The two names of one resource.
const PATHS: [&str; 2] = ["/api/administratorroles", "/api/roles"];
