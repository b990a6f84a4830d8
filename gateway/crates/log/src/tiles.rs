//! The Merkle tree on disk, in tiles of up to 64 neighbouring hashes of one level.
//!
//! A tile of level `t` holds nodes of level `6 t` of the tree. The nodes between two tile levels are computed from the
//! lower tile when they are needed. So a proof reads one tile per six levels, a log of ten million entries needs 32
//! bytes of tree per entry, and all tiles but the lowest stay in memory. Transparency logs serve their trees in the
//! same way, see <https://c2sp.org/tlog-tiles>.
//!
//! The last tile of each level grows: every group that adds to it writes it again.
//!
//! The proofs that are made from these nodes are in `prove.rs`.

use super::{
    store::{Family, Store},
    ReadError, StorageError,
};
use std::{cell::RefCell, collections::BTreeMap, ops::Range};
use streembit_primitives::{
    merkle::{root_of_leaves, Node, NodeId, NodeStore, LOG_TREE},
    Hash,
};

/// The number of tree levels from one tile level to the next.
pub(crate) const HEIGHT: u8 = 6;

/// The number of hashes in a full tile.
pub(crate) const WIDTH: usize = 1 << HEIGHT;

/// The position of a tile.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TileId {
    /// The tile level, 0 for tiles of leaves.
    pub(crate) level: u8,
    /// The position from the left within its level.
    pub(crate) index: u64,
}

/// Neighbouring hashes of one level of the tree, from the left: [`WIDTH`] of them in a full tile, fewer in a growing
/// tile.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tile(Vec<Hash>);

impl TileId {
    /// Returns the tile from which a node is computed, and the range of its hashes below the node.
    pub(crate) const fn of(node: NodeId) -> (Self, Range<usize>) {
        let above = node.level % HEIGHT;
        let first = node.index << above;
        let slot = (first % WIDTH as u64) as usize;
        (Self { level: node.level / HEIGHT, index: first / WIDTH as u64 }, slot..slot + (1 << above))
    }

    /// Returns the node whose hash is in a slot of this tile.
    pub(crate) const fn node(self, slot: usize) -> NodeId {
        NodeId { level: self.level * HEIGHT, index: self.index * WIDTH as u64 + slot as u64 }
    }

    /// The column family in which this tile is stored.
    pub(crate) const fn family(self) -> Family {
        match self.level {
            0 => Family::Tiles,
            _ => Family::UpperTiles,
        }
    }

    /// Returns the key: the first leaf below this tile (8 bytes), and its level (1 byte).
    pub(crate) fn key(self) -> [u8; 9] {
        let mut key = [0; 9];
        let (leaf, level) = key.split_at_mut(8);
        leaf.copy_from_slice(&self.leaves().start.to_be_bytes());
        level.fill(self.level);
        key
    }

    /// Parses a key. Returns `None` if it is not the key of a tile.
    pub(crate) fn of_key(key: &[u8]) -> Option<Self> {
        let (first, rest) = key.split_first_chunk()?;
        let [level] = *rest else { return None };
        let id = Self { level, index: u64::from_be_bytes(*first).checked_shr(shift(level)).unwrap_or(0) };
        (id.key() == *key).then_some(id)
    }

    /// Returns the leaves below this tile when it is full.
    pub(crate) fn leaves(self) -> Range<u64> {
        let edge = |index: u64| index.checked_shl(shift(self.level)).unwrap_or(0);
        edge(self.index)..edge(self.index.saturating_add(1))
    }
}

/// Returns the binary logarithm of the number of leaves below a full tile of this level.
fn shift(level: u8) -> u32 {
    u32::from(HEIGHT).saturating_mul(u32::from(level).saturating_add(1))
}

/// Returns the growing tile of each level of a log of `size` entries, lowest level first. A growing tile may be empty.
pub(crate) fn growing_tiles(size: u64) -> impl Iterator<Item = TileId> {
    let nodes = (0..64 / HEIGHT).map(move |level| (level, size >> (HEIGHT * level)));
    nodes
        .take_while(|(_, nodes)| *nodes > 0)
        .map(|(level, nodes)| TileId { level, index: nodes / WIDTH as u64 })
}

/// Returns the number of hashes that a tile has in a log of `size` entries.
pub(crate) fn hash_count(id: TileId, size: u64) -> usize {
    let nodes = size.checked_shr(u32::from(HEIGHT).saturating_mul(id.level.into())).unwrap_or(0);
    nodes.saturating_sub(id.node(0).index).min(WIDTH as u64) as usize
}

impl Tile {
    /// Decodes concatenated hashes. Returns `None` if the length is not that of a tile.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks();
        let whole = rest.is_empty() && !hashes.is_empty() && hashes.len() <= WIDTH;
        whole.then(|| Self(hashes.iter().copied().map(Hash).collect()))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.0).collect()
    }

    /// The number of hashes.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Computes the node above a range of hashes, whose length must be a power of two. Returns `None` if the tile does
    /// not have them all.
    pub(crate) fn root(&self, slots: Range<usize>) -> Option<Hash> {
        self.0.get(slots).map(|hashes| root_of_leaves(LOG_TREE, hashes))
    }
}

/// The growing tiles, to which the writer adds nodes.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrowingTiles {
    /// One tile per level, lowest level first.
    levels: Vec<GrowingTile>,
}

#[derive(Clone, Debug)]
struct GrowingTile {
    id: TileId,
    tile: Tile,
    /// True if the tile has hashes that are not in the database.
    is_unwritten: bool,
}

impl GrowingTiles {
    /// Reads the growing tiles of a log of `size` entries. Each must have exactly the hashes of that size.
    pub(crate) fn load(store: &Store, size: u64) -> Result<Self, StorageError> {
        let reader = TileReader::new(store);
        let levels = growing_tiles(size).map(|id| {
            let tile = reader.tile(id)?.unwrap_or_default();
            let (found, expected) = (tile.len(), hash_count(id, size));
            match found == expected {
                true => Ok(GrowingTile { id, tile, is_unwritten: false }),
                false => Err(damaged(id, &format!("has {found} hashes instead of {expected}"))),
            }
        });
        Ok(Self { levels: levels.collect::<Result<_, _>>()? })
    }

    /// Adds a node that an append completed. Calls `put` with its tile if the tile is full now.
    pub(crate) fn add(&mut self, node: Node, put: impl FnOnce(TileId, &Tile)) {
        let (id, slots) = TileId::of(node.id);
        // Nodes between two tile levels are not stored.
        if slots.len() != 1 {
            return;
        }
        let level = usize::from(id.level);
        if level == self.levels.len() {
            let tile = Tile(Vec::with_capacity(WIDTH));
            self.levels.push(GrowingTile { id, tile, is_unwritten: false });
        }
        let Some(growing) = self.levels.get_mut(level) else { return };
        if growing.id != id {
            (growing.id, growing.tile.0) = (id, Vec::with_capacity(WIDTH));
        }
        growing.tile.0.push(node.hash);
        growing.is_unwritten = growing.tile.len() < WIDTH;
        if !growing.is_unwritten {
            put(id, &growing.tile);
        }
    }

    /// Calls `put` with every tile that has grown but is not full.
    pub(crate) fn finish(&mut self, mut put: impl FnMut(TileId, &Tile)) {
        for GrowingTile { id, tile, is_unwritten } in &mut self.levels {
            if std::mem::take(is_unwritten) {
                put(*id, tile);
            }
        }
    }
}

/// Reads nodes of the tree from stored tiles. Keeps the last tile of each level, because neighbouring nodes are often
/// read together.
pub struct TileReader<'a> {
    store: &'a Store,
    last: RefCell<BTreeMap<u8, (u64, Tile)>>,
}

impl<'a> TileReader<'a> {
    pub(crate) fn new(store: &'a Store) -> Self {
        Self { store, last: RefCell::default() }
    }

    /// Returns the hash of a node, or `None` if it is not stored.
    pub(crate) fn hash(&self, node: NodeId) -> Result<Option<Hash>, StorageError> {
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

    /// Returns the hash of a node that must be stored.
    pub(crate) fn stored_hash(&self, node: NodeId) -> Result<Hash, StorageError> {
        self.hash(node)?.ok_or_else(|| {
            StorageError::damaged(format!(
                "node {} of level {} of the tree is missing",
                node.index, node.level
            ))
        })
    }

    /// Returns a tile, or `None` if it is not stored.
    pub(crate) fn tile(&self, id: TileId) -> Result<Option<Tile>, StorageError> {
        let bytes = self.store.db().bytes(id.family(), &id.key())?;
        bytes
            .map(|bytes| Tile::decode(&bytes).ok_or_else(|| damaged(id, "is not a list of hashes")))
            .transpose()
    }
}

impl NodeStore for TileReader<'_> {
    type Error = ReadError;

    fn node(&self, id: NodeId) -> Result<Hash, ReadError> {
        Ok(self.stored_hash(id)?)
    }
}

fn damaged(id: TileId, problem: &str) -> StorageError {
    StorageError::damaged(format!("tile {} of level {} of the tree {problem}", id.index, id.level))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use streembit_primitives::{hash::Domain, merkle::Frontier};

    #[test]
    fn every_node_is_computed_from_part_of_one_tile() {
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
        fn keys_parse_back_to_their_tiles_and_sort_like_leaves(level in 0u8..11, index in any::<u64>(), other in any::<u64>()) {
            let most = u64::MAX.checked_shr(shift(level)).unwrap_or(0);
            let id = |index| TileId { level, index: if most == u64::MAX { index } else { index % (most + 1) } };
            prop_assert_eq!(TileId::of_key(&id(index).key()), Some(id(index)));
            prop_assert_eq!(id(index).key().cmp(&id(other).key()), id(index).cmp(&id(other)));
            prop_assert!(TileId::of_key(&id(index).key()[..8]).is_none());
        }

        /// Compares with the nodes that the frontier computes, in groups of any sizes.
        #[test]
        fn tiles_hold_every_node_of_the_tree(groups in proptest::collection::vec(0usize..200, 1..40)) {
            let (mut frontier, mut growing) = (Frontier::new(), GrowingTiles::default());
            let (mut nodes, mut stored) = (Vec::new(), BTreeMap::new());
            for count in groups {
                for _ in 0..count {
                    let leaf = Domain::HeadsLeaf.hash(&frontier.size().to_be_bytes());
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
