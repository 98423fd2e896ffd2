mod generate;
mod hostile;
mod json;
mod json_cases;
mod normal;
mod rebuild;
mod wire;
mod wire_cases;
