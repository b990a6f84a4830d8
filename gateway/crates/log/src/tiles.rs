//! The tree on disk: in tiles, each with the hashes of up to 64 neighbouring nodes of one level.
//!
//! A tile of level `t` has nodes of level `6 t` of the tree; what lies between two levels of tiles is hashed again when it
//! is asked for. So a proof reads one value for every six levels, a log of ten million entries has 32 bytes of tree an
//! entry, and all but the lowest tiles stay in memory. (Tiles are how transparency logs serve their trees, see
//! <https://c2sp.org/tlog-tiles>; the shape of the tree is RFC 9162's all the same.)
//!
//! The last tile of each level grows: it is written again with every group that adds to it.

use super::{
    store::{Family, Store},
    LogError,
};
use std::{cell::RefCell, collections::BTreeMap, ops::Range};
use streembit_primitives::{
    hash::Domain,
    merkle::{root_of_leaves, Node, NodeId, NodeStore},
    Hash,
};

/// How many levels of the tree one level of tiles spans.
pub(crate) const HEIGHT: u8 = 6;

/// How many hashes a whole tile has.
pub(crate) const WIDTH: usize = 1 << HEIGHT;

/// The place of a tile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TileId {
    /// 0 for tiles of leaves.
    pub(crate) level: u8,
    /// From the left, among those of its level.
    pub(crate) index: u64,
}

/// Neighbouring hashes of one level of the tree, from the left; all of a whole tile, some of a growing one.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tile(Vec<Hash>);

impl TileId {
    /// The tile that a node is hashed from, and which of its hashes.
    pub(crate) const fn of(node: NodeId) -> (Self, Range<usize>) {
        let above = node.level % HEIGHT;
        let first = node.index << above;
        let slot = (first % WIDTH as u64) as usize;
        (Self { level: node.level / HEIGHT, index: first / WIDTH as u64 }, slot..slot + (1 << above))
    }

    /// The node whose hash a tile has in a slot.
    pub(crate) const fn node(self, slot: usize) -> NodeId {
        NodeId { level: self.level * HEIGHT, index: self.index * WIDTH as u64 + slot as u64 }
    }

    /// Where it is kept.
    pub(crate) const fn family(self) -> Family {
        match self.level {
            0 => Family::Tiles,
            _ => Family::UpperTiles,
        }
    }

    /// The first leaf below it (8 bytes), its level (1 byte).
    pub(crate) fn key(self) -> [u8; 9] {
        let mut key = [0; 9];
        let (leaf, level) = key.split_at_mut(8);
        leaf.copy_from_slice(&self.leaves().start.to_be_bytes());
        level.fill(self.level);
        key
    }

    /// The tile of a key; `None` where it is no tile's.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let (first, rest) = key.split_first_chunk()?;
        let [level] = *rest else { return None };
        let id = Self { level, index: u64::from_be_bytes(*first).checked_shr(shift(level)).unwrap_or(0) };
        (id.key() == *key).then_some(id)
    }

    /// The leaves below it once it is whole.
    pub(crate) fn leaves(self) -> Range<u64> {
        let edge = |index: u64| index.checked_shl(shift(self.level)).unwrap_or(0);
        edge(self.index)..edge(self.index.saturating_add(1))
    }
}

/// The logarithm of how many leaves are below a whole tile.
fn shift(level: u8) -> u32 {
    u32::from(HEIGHT).saturating_mul(u32::from(level).saturating_add(1))
}

/// The tiles that grow next in a log of `size` entries: one of each level, lowest first, and it may have nothing yet.
pub(crate) fn growing(size: u64) -> impl Iterator<Item = TileId> {
    let nodes = (0..64 / HEIGHT).map(move |level| (level, size >> (HEIGHT * level)));
    nodes
        .take_while(|(_, nodes)| *nodes > 0)
        .map(|(level, nodes)| TileId { level, index: nodes / WIDTH as u64 })
}

/// How many hashes a tile has in a log of `size` entries.
pub(crate) fn hashes(id: TileId, size: u64) -> usize {
    let nodes = size.checked_shr(u32::from(HEIGHT).saturating_mul(id.level.into())).unwrap_or(0);
    nodes.saturating_sub(id.node(0).index).min(WIDTH as u64) as usize
}

impl Tile {
    /// The hashes one after the other; `None` of bytes that are no tile.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks();
        let whole = rest.is_empty() && !hashes.is_empty() && hashes.len() <= WIDTH;
        whole.then(|| Self(hashes.iter().copied().map(Hash).collect()))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// How many hashes it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The root of some of its hashes, a power of two of them; `None` where it does not have them all.
    pub(crate) fn root(&self, slots: Range<usize>) -> Option<Hash> {
        self.0.get(slots).map(|hashes| root_of_leaves(Domain::LogNode, hashes))
    }
}

/// The growing tile of each level, lowest first: what the writer adds to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Growing {
    /// With whether it has anything that is not written yet.
    levels: Vec<(TileId, Tile, bool)>,
}

impl Growing {
    /// Reads them of a log of `size` entries. Each must have as many hashes as its level has nodes.
    pub(crate) fn load(store: &Store, size: u64) -> Result<Self, LogError> {
        let reader = TileReader::new(store);
        let levels = growing(size).map(|id| {
            let tile = reader.tile(id)?.unwrap_or_default();
            let (there, expected) = (tile.len(), hashes(id, size));
            match there == expected {
                true => Ok((id, tile, false)),
                false => Err(damaged(id, &format!("has {there} hashes where {expected} belong"))),
            }
        });
        Ok(Self { levels: levels.collect::<Result<_, _>>()? })
    }

    /// Adds a node that an append completed; calls `put` with a tile that is whole now.
    pub(crate) fn add(&mut self, node: Node, put: impl FnOnce(TileId, &Tile)) {
        let (id, slots) = TileId::of(node.id);
        if slots.len() != 1 {
            return;
        }
        let level = usize::from(id.level);
        if level == self.levels.len() {
            self.levels.push((id, Tile(Vec::with_capacity(WIDTH)), false));
        }
        let Some((growing, tile, unwritten)) = self.levels.get_mut(level) else { return };
        if *growing != id {
            (*growing, tile.0) = (id, Vec::with_capacity(WIDTH));
        }
        tile.0.push(node.hash);
        *unwritten = tile.len() < WIDTH;
        if !*unwritten {
            put(id, tile);
        }
    }

    /// Calls `put` with every tile that has grown and is not whole.
    pub(crate) fn finish(&mut self, mut put: impl FnMut(TileId, &Tile)) {
        for (id, tile, unwritten) in &mut self.levels {
            if std::mem::take(unwritten) {
                put(*id, tile);
            }
        }
    }
}

/// Reads nodes from stored tiles; keeps the tile last read of each level, as neighbours are asked for together.
pub struct TileReader<'a> {
    store: &'a Store,
    last: RefCell<BTreeMap<u8, (u64, Tile)>>,
}

impl<'a> TileReader<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, last: RefCell::default() }
    }

    /// The hash of a node; `None` where it is not there.
    pub(crate) fn hash(&self, node: NodeId) -> Result<Option<Hash>, LogError> {
        let (id, slots) = TileId::of(node);
        let mut last = self.last.borrow_mut();
        if let Some((index, tile)) = last.get(&id.level) {
            if *index == id.index {
                return Ok(tile.root(slots));
            }
        }
        let Some(tile) = self.tile(id)? else { return Ok(None) };
        let hash = tile.root(slots);
        last.insert(id.level, (id.index, tile));
        Ok(hash)
    }

    /// A tile; `None` where it is not there.
    pub(crate) fn tile(&self, id: TileId) -> Result<Option<Tile>, LogError> {
        let bytes = self.store.db().bytes(id.family(), &id.key())?;
        bytes.map(|bytes| Tile::decode(&bytes).ok_or_else(|| damaged(id, "is no list of hashes"))).transpose()
    }
}

impl NodeStore for TileReader<'_> {
    type Error = LogError;

    fn node(&self, id: NodeId) -> Result<Hash, LogError> {
        self.hash(id)?.ok_or_else(|| {
            LogError::damaged(format!("node {} of level {} of the tree is not there", id.index, id.level))
        })
    }
}

fn damaged(id: TileId, problem: &str) -> LogError {
    LogError::damaged(format!("tile {} of level {} of the tree {problem}", id.index, id.level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use streembit_primitives::merkle::Frontier;

    #[test]
    fn a_node_is_hashed_from_a_part_of_one_tile() {
        let node = |level, index| TileId::of(NodeId { level, index });
        let tile = |level, index| TileId { level, index };
        assert_eq!(node(0, 0), (tile(0, 0), 0..1));
        assert_eq!(node(0, 130), (tile(0, 2), 2..3));
        assert_eq!(node(5, 3), (tile(0, 1), 32..64));
        assert_eq!(node(6, 3), (tile(1, 0), 3..4));
        assert_eq!(node(9, 9), (tile(1, 1), 8..16));
    }

    proptest! {
        #[test]
        fn a_key_names_its_tile_and_keys_sort_as_leaves_do(level in 0u8..11, index in any::<u64>(), other in any::<u64>()) {
            let most = u64::MAX.checked_shr(shift(level)).unwrap_or(0);
            let id = |index| TileId { level, index: if most == u64::MAX { index } else { index % (most + 1) } };
            prop_assert_eq!(TileId::of_key(&id(index).key()), Some(id(index)));
            prop_assert_eq!(id(index).key().cmp(&id(other).key()), id(index).cmp(&id(other)));
            prop_assert!(TileId::of_key(&id(index).key()[..8]).is_none());
        }

        /// Against the nodes as the frontier makes them, in groups of any sizes.
        #[test]
        fn tiles_have_every_node_of_the_tree(groups in proptest::collection::vec(0usize..200, 1..40)) {
            let (mut frontier, mut growing) = (Frontier::new(), Growing::default());
            let (mut nodes, mut stored) = (Vec::new(), BTreeMap::new());
            for count in groups {
                for _ in 0..count {
                    let leaf = Domain::LogLeaf.hash(&frontier.size().to_be_bytes());
                    frontier.append(leaf, |node| {
                        nodes.push(node);
                        growing.add(node, |id, tile| drop(stored.insert(id, tile.encode())));
                    });
                }
                growing.finish(|id, tile| drop(stored.insert(id, tile.encode())));
                for node in &nodes {
                    let (id, slots) = TileId::of(node.id);
                    let tile = Tile::decode(&stored[&id]).unwrap();
                    prop_assert_eq!(tile.root(slots), Some(node.hash));
                }
                let hashes: usize = stored.values().map(|bytes| bytes.len() / 32).sum();
                prop_assert_eq!(hashes, nodes.iter().filter(|node| node.id.level % HEIGHT == 0).count());
            }
        }
    }

    #[test]
    fn bytes_that_are_no_tile_are_refused() {
        for length in [0, 1, 31, 33, 65 * 32] {
            assert_eq!(Tile::decode(&vec![1; length]), None, "{length}");
        }
        assert_eq!(Tile::decode(&[1; 64]).unwrap().len(), 2);
    }
}
