package store

import "iter"

// node is a node of a persistent treap: a binary search tree by key that is
// also a heap by priority. Nodes are never changed once they are reachable
// from a published state; a change copies the path from the root, so that old
// roots stay valid snapshots. The priority is a hash of the key, which makes
// the shape, and with it the expected depth of O(log n), independent of the
// order of insertion.
type node struct {
	key         string
	row         *row
	pri         uint64
	size        int // nodes in this subtree, itself included
	left, right *node
}

func (n *node) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

// with copies n with other children.
func (n *node) with(left, right *node) *node {
	return &node{key: n.key, row: n.row, pri: n.pri, size: 1 + left.len() + right.len(), left: left, right: right}
}

// above tells whether (pri, key) belongs nearer to the root than m.
func above(pri uint64, key string, m *node) bool {
	return pri > m.pri || pri == m.pri && key < m.key
}

func (n *node) get(key string) *row {
	for n != nil {
		switch {
		case key < n.key:
			n = n.left
		case key > n.key:
			n = n.right
		default:
			return n.row
		}
	}
	return nil
}

// put returns the tree with key set to r. pri is the hash of key.
func (n *node) put(key string, r *row, pri uint64) *node {
	switch {
	case n == nil:
		return &node{key: key, row: r, pri: pri, size: 1}
	case key == n.key:
		return &node{key: key, row: r, pri: pri, size: n.size, left: n.left, right: n.right}
	case above(pri, key, n):
		// A node with this key would be above n, so there is none below.
		left, right := n.split(key)
		return &node{key: key, row: r, pri: pri, size: 1 + left.len() + right.len(), left: left, right: right}
	case key < n.key:
		return n.with(n.left.put(key, r, pri), n.right)
	default:
		return n.with(n.left, n.right.put(key, r, pri))
	}
}

// split parts the tree into the keys before and after key, which is absent.
func (n *node) split(key string) (before, after *node) {
	if n == nil {
		return nil, nil
	}
	if key < n.key {
		before, after = n.left.split(key)
		return before, n.with(after, n.right)
	}
	before, after = n.right.split(key)
	return n.with(n.left, before), after
}

// del returns the tree without key, which must be present.
func (n *node) del(key string) *node {
	switch {
	case key < n.key:
		return n.with(n.left.del(key), n.right)
	case key > n.key:
		return n.with(n.left, n.right.del(key))
	default:
		return join(n.left, n.right)
	}
}

// join merges two trees, every key of a being before every key of b.
func join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case above(a.pri, a.key, b):
		return a.with(a.left, join(a.right, b))
	default:
		return b.with(join(a, b.left), b.right)
	}
}

// rank counts the keys before key.
func (n *node) rank(key string) int {
	count := 0
	for n != nil {
		if key <= n.key {
			n = n.left
		} else {
			count += 1 + n.left.len()
			n = n.right
		}
	}
	return count
}

// from yields the nodes whose key is at least key, in order, until yield
// returns false.
func (n *node) from(key string, yield func(*node) bool) bool {
	if n == nil {
		return true
	}
	if key > n.key {
		return n.right.from(key, yield)
	}
	return n.left.from(key, yield) && yield(n) && n.right.from("", yield)
}

// all yields every node in key order.
func (n *node) all() iter.Seq[*node] {
	return func(yield func(*node) bool) { n.from("", yield) }
}

// prefixEnd is the smallest key that is greater than every key with the
// prefix; ok is false if there is none (empty prefix, or only 0xff bytes).
func prefixEnd(prefix string) (end string, ok bool) {
	for i := len(prefix) - 1; i >= 0; i-- {
		if c := prefix[i]; c < 0xff {
			return prefix[:i] + string([]byte{c + 1}), true
		}
	}
	return "", false
}
