//! The scripts of the directory: everything that has to happen in one step.

use redis::RedisError;
use redis::aio::MultiplexedConnection;

const PRELUDE: &str = include_str!("lua/prelude.lua");

/// The names under which Redis keeps the scripts.
pub(super) struct Scripts {
    pub(super) state: String,
    pub(super) publish: String,
    pub(super) beat: String,
    pub(super) reap: String,
    pub(super) connections: String,
    pub(super) occupied: String,
    pub(super) look: String,
}

impl Scripts {
    /// Gives them to Redis.
    pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<Self, RedisError> {
        let with_prelude = |script: &str| [PRELUDE, script].concat();
        let scripts = [
            with_prelude(include_str!("lua/state.lua")),
            include_str!("lua/publish.lua").to_owned(),
            with_prelude(include_str!("lua/heartbeat.lua")),
            with_prelude(include_str!("lua/reap.lua")),
            with_prelude(include_str!("lua/connections.lua")),
            include_str!("lua/occupied.lua").to_owned(),
            include_str!("lua/look.lua").to_owned(),
        ];
        let mut pipeline = redis::pipe();
        for script in &scripts {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(script);
        }
        type Names = (String, String, String, String, String, String, String);
        let names: Names = pipeline.query_async(connection).await?;
        let (state, publish, beat, reap, connections, occupied, look) = names;
        Ok(Self { state, publish, beat, reap, connections, occupied, look })
    }
}
