//! placeholder
use super::failure::Failure;
pub(super) async fn run() -> Result<(), Failure> {
    Ok(())
}
