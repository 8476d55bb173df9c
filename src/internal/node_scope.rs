//! Which nodes of a cluster a request is about: the parameter `nodes` of resources that ask them all.

use super::answer::InternalError;

/// Which nodes of a cluster a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum NodeScope {
    /// All: this one asks the others.
    #[default]
    All,
    /// The one that is asked.
    This,
}

impl NodeScope {
    /// All of them, by name.
    pub(super) const NAMES: [(&'static str, Self); 2] = [("all", Self::All), ("this", Self::This)];
}

/// Takes the parameter out of those of a request.
pub(super) fn take_scope(pairs: &mut Vec<(String, String)>) -> Result<NodeScope, InternalError> {
    let mut scope = NodeScope::All;
    let mut invalid = None;
    pairs.retain(|(name, value)| {
        if name != "nodes" {
            return true;
        }
        match NodeScope::NAMES.into_iter().find(|(known, _)| value == known) {
            Some((_, found)) => scope = found,
            None => invalid = Some(InternalError::bad_request("nodes must be all or this")),
        }
        false
    });
    invalid.map_or(Ok(scope), Err)
}

#[cfg(test)]
mod tests {
    use super::{NodeScope, take_scope};

    #[test]
    fn the_scope_is_taken_out_of_the_parameters() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut pairs = vec![pair("app", "7"), pair("nodes", "this")];
        assert_eq!(take_scope(&mut pairs).unwrap(), NodeScope::This);
        assert_eq!(pairs, [pair("app", "7")]);
        assert_eq!(take_scope(&mut pairs).unwrap(), NodeScope::All);
        assert!(take_scope(&mut vec![pair("nodes", "7")]).is_err());
    }
}
