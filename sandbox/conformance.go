package sandbox

import "github.com/mantle-iam/mantle/sandbox/internal/wire"

// Coverage says what the sandbox has of one AWS API, from the tables that
// answer the calls, so that it cannot flatter.
type Coverage struct {
	Service string `json:"service"`
	// Implemented are the operations that are answered, Absent those of
	// AWS's model that are refused by name.
	Implemented []string `json:"implemented"`
	Absent      []string `json:"absent"`
	// Partial says of implemented operations what they lack.
	Partial map[string]string `json:"partial"`
}

// Conformance lists the operations of every service that the sandbox knows
// the model of, implemented or not.
func (s *Server) Conformance() ([]Coverage, error) {
	var out []Coverage
	for _, name := range wire.Services() {
		model, err := wire.Load(name)
		if err != nil {
			return nil, err
		}
		c := Coverage{Service: name, Implemented: []string{}, Absent: []string{}, Partial: map[string]string{}}
		t := s.services[name]
		for _, op := range model.Operations() {
			if t != nil {
				if row, ok := t.ops[op]; ok {
					c.Implemented = append(c.Implemented, op)
					if row.Lacks != "" {
						c.Partial[op] = row.Lacks
					}
					continue
				}
			}
			c.Absent = append(c.Absent, op)
		}
		out = append(out, c)
	}
	return out, nil
}
