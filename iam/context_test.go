package iam

import (
	"slices"
	"testing"
)

func TestContext(t *testing.T) {
	c := NewContext()
	c.Set("aws:PrincipalTag/Team", "Blue")
	c.Set("aws:TagKeys", "a", "b")
	c.SetList("aws:CalledVia", []string{"x"})
	c.SetList("aws:PrincipalOrgPaths", nil)
	c.Set("AWS:principaltag/team", "red") // replaces: keys ignore case

	if v, ok := c.Get("aws:principalTAG/TEAM"); !ok || !slices.Equal(v, []string{"red"}) {
		t.Errorf("got %q, %v", v, ok)
	}
	for key, list := range map[string]bool{"aws:TagKeys": true, "aws:CalledVia": true, "aws:PrincipalTag/Team": false} {
		if c.IsList(key) != list {
			t.Errorf("%s: multivalued = %v, want %v", key, !list, list)
		}
	}
	if _, ok := c.Get("aws:PrincipalOrgPaths"); ok {
		t.Error("a key without values is present")
	}
	d := c.Clone()
	d.Set("aws:TagKeys", "z")
	d.Delete("aws:CalledVia")
	if v, _ := c.Get("aws:TagKeys"); len(v) != 2 || c.Len() != 4 || d.Len() != 3 {
		t.Errorf("changing a clone changed the context: %q, %d keys, clone %d", v, c.Len(), d.Len())
	}
	var names []string
	for name := range d.All() {
		names = append(names, name)
	}
	if want := []string{"AWS:principaltag/team", "aws:TagKeys", "aws:PrincipalOrgPaths"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	var none *Context
	if _, ok := none.Get("k"); ok || none.Len() != 0 || none.Clone() == nil {
		t.Error("a nil context is not empty")
	}
	for range none.All() {
		t.Error("a nil context has keys")
	}
}
