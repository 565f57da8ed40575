package iam

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	policy "github.com/mantle-iam/mantle/iam"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// cache keeps compiled policies, so that a request compiles nothing that an
// earlier one did. Three maps:
//
//   - bundles: what binds one user or role, by unique id. A bundle remembers
//     the rows it was made of. Rows are never changed in place, so it is good
//     while the store still has those very rows; that is asked only when the
//     store's revision has moved.
//   - managed: one managed policy, by kind and ARN, good while its row is the
//     one it was compiled from. All entities that use it share it.
//   - texts: session policies, by their text. They come with a session and
//     have no row, so this map is emptied when it has grown too large.
//
// Deleting an entity or policy forgets its entries; the maps otherwise hold
// one entry per entity that has made a request.
type cache struct {
	mu      sync.RWMutex // guards the fields below
	bundles map[string]*bundle
	managed map[managedKey]*compiled
	texts   map[string]*policy.Policy
}

// maxTexts bounds cache.texts.
const maxTexts = 4096

type managedKey struct {
	kind policy.Kind
	arn  string
}

type compiled struct {
	row    *policyRow
	policy *policy.Policy
}

// bundle is what binds one user or role.
type bundle struct {
	seen   atomic.Uint64 // the newest revision at which the rows were current
	entity *entity
	groups []*entity
	rows   []*policyRow // attached to the entity and its groups, and the boundary

	policies func() (policy.Policies, error) // identity and boundary, compiled once
	trust    func() (*policy.Policy, error)  // of a role, compiled once
	tags     map[string]string
}

func (c *cache) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.bundles, key)
	maps.DeleteFunc(c.managed, func(k managedKey, _ *compiled) bool { return k.arn == key })
}

// bundle returns what binds the entity with a unique id.
func (s *IAM) bundle(tx *store.Tx, id string) (*bundle, bool) {
	s.cache.mu.RLock()
	b := s.cache.bundles[id]
	s.cache.mu.RUnlock()
	if b != nil && (b.seen.Load() == tx.Revision() || s.current(tx, b)) {
		b.seen.Store(tx.Revision())
		return b, true
	}
	e, ok := entities.Get(tx, id)
	if !ok {
		return nil, false
	}
	b = s.newBundle(tx, e)
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.bundles == nil {
		s.cache.bundles = map[string]*bundle{}
	}
	s.cache.bundles[id] = b
	return b, true
}

// current tells whether the store still has the rows of b.
func (s *IAM) current(tx *store.Tx, b *bundle) bool {
	if now, ok := entities.Get(tx, b.entity.ID); !ok || now != b.entity {
		return false
	}
	for _, old := range b.groups {
		if now, ok := entities.Get(tx, old.ID); !ok || now != old {
			return false
		}
	}
	for _, old := range b.rows {
		if now, ok := s.findPolicy(tx, old.ARN); !ok || now != old {
			return false
		}
	}
	return true
}

// newBundle gathers the rows that bind e; compiling waits for the first use.
func (s *IAM) newBundle(tx *store.Tx, e *entity) *bundle {
	b := &bundle{entity: e, tags: map[string]string{}}
	b.seen.Store(tx.Revision())
	for _, t := range e.Tags {
		b.tags[t.Key] = t.Value
	}
	for _, id := range e.Groups {
		if g, ok := entities.Get(tx, id); ok {
			b.groups = append(b.groups, g)
		}
	}
	var identity []*policyRow
	for _, holder := range append([]*entity{e}, b.groups...) {
		for _, arn := range holder.Attached {
			if p, ok := s.findPolicy(tx, arn); ok {
				identity = append(identity, p)
			}
		}
	}
	var limit *policyRow
	b.rows = identity
	if e.Boundary != "" {
		if p, ok := s.findPolicy(tx, e.Boundary); ok {
			limit = p
			b.rows = append(b.rows[:len(b.rows):len(b.rows)], p)
		}
	}
	b.policies = sync.OnceValues(func() (policy.Policies, error) { return s.compile(b, identity, limit) })
	b.trust = sync.OnceValues(func() (*policy.Policy, error) {
		return policy.Parse(policy.Trust, "trust policy of role "+e.Name, []byte(e.Trust))
	})
	return b
}

// compile makes the policies of a bundle, inline ones first.
func (s *IAM) compile(b *bundle, identity []*policyRow, limit *policyRow) (policy.Policies, error) {
	var out policy.Policies
	for _, holder := range append([]*entity{b.entity}, b.groups...) {
		for _, in := range holder.Inline {
			name := fmt.Sprintf("inline policy %s of %s %s", in.Name, holder.Kind, holder.Name)
			p, err := policy.Parse(policy.Identity, name, []byte(in.Document))
			if err != nil {
				return out, fmt.Errorf("compile %s: %w", name, err)
			}
			out.Identity = append(out.Identity, p)
		}
	}
	for _, row := range identity {
		p, err := s.compiled(policy.Identity, row)
		if err != nil {
			return out, err
		}
		out.Identity = append(out.Identity, p)
	}
	switch {
	case limit != nil:
		p, err := s.compiled(policy.Boundary, limit)
		if err != nil {
			return out, err
		}
		out.Boundary = []*policy.Policy{p}
	case b.entity.Boundary != "":
		// A boundary whose policy is gone allows nothing. The API keeps
		// policies in use from deletion, so this is a damaged state.
		p, err := s.nothing(policy.Boundary, b.entity.Boundary)
		if err != nil {
			return out, err
		}
		out.Boundary = []*policy.Policy{p}
	}
	return out, nil
}

// compiled compiles a managed policy for one use.
func (s *IAM) compiled(kind policy.Kind, row *policyRow) (*policy.Policy, error) {
	key := managedKey{kind, row.ARN}
	s.cache.mu.RLock()
	have := s.cache.managed[key]
	s.cache.mu.RUnlock()
	if have != nil && have.row == row {
		return have.policy, nil
	}
	p, err := policy.Parse(kind, row.ARN, []byte(row.document()))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", row.ARN, err)
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.managed == nil {
		s.cache.managed = map[managedKey]*compiled{}
	}
	s.cache.managed[key] = &compiled{row, p}
	return p, nil
}

// text compiles a session policy.
func (s *IAM) text(doc string) (*policy.Policy, error) {
	s.cache.mu.RLock()
	p := s.cache.texts[doc]
	s.cache.mu.RUnlock()
	if p != nil {
		return p, nil
	}
	p, err := policy.Parse(policy.Session, "session policy", []byte(doc))
	if err != nil {
		return nil, fmt.Errorf("compile a session policy: %w", err)
	}
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	if s.cache.texts == nil || len(s.cache.texts) >= maxTexts {
		s.cache.texts = map[string]*policy.Policy{}
	}
	s.cache.texts[doc] = p
	return p, nil
}

// nothing is a policy that no request matches: it stands for a policy that
// limits a caller and cannot be found, so that its absence is no freedom.
func (s *IAM) nothing(kind policy.Kind, name string) (*policy.Policy, error) {
	return policy.Parse(kind, name, []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"*","Resource":"*"}]}`))
}
