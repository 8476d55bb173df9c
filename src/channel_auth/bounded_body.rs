//! Reading the answer of another service, up to a limit.

use reqwest::Response;

/// The whole body; `None` if it is larger.
pub(super) async fn read_body(
    mut answer: Response,
    bytes_max: usize,
) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
