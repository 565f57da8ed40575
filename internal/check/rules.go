package check

import "slices"

// Rules is the table of all rules, made anew so that callers may change it.
// Those that need a running host have no function and name the verb that
// decides them.
func Rules() []Rule {
	return slices.Concat(trustRules(), policyRules(), instanceRules(), taskRules(), profileRules(), sessionRules(), terraformRules(), federationRules(), runningRules(), checkRules())
}

// Find is a rule by its id.
func Find(id string) (Rule, bool) {
	all := Rules()
	i := slices.IndexFunc(all, func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return all[i], true
}
