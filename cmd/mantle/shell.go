package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// shells are the ways in which variables can be written down.
var shells = map[string]struct {
	set, unset string
	quote      func(string) string
}{
	"sh":     {"export %s=%s\n", "unset %s\n", quoteSh},
	"fish":   {"set -gx %s %s\n", "set -e %s\n", quoteFish},
	"pwsh":   {"$Env:%s = %s\n", "Remove-Item -ErrorAction SilentlyContinue Env:%s\n", quotePwsh},
	"dotenv": {"%s=%s\n", "", quoteDotenv},
}

func shellNames() string {
	return strings.Join(slices.Sorted(maps.Keys(shells)), ", ")
}

// writeShell prints variables for a shell to evaluate.
func writeShell(w io.Writer, shell string, set map[string]string, unset []string) error {
	s, ok := shells[shell]
	if !ok {
		return usagef("there is no format %q", shell).withHint("use one of " + shellNames() + ", json")
	}
	if s.unset != "" {
		for _, name := range unset {
			fmt.Fprintf(w, s.unset, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		fmt.Fprintf(w, s.set, name, s.quote(set[name]))
	}
	return nil
}

func plain(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_+=@%,-", r)
	})
}

func quoteSh(s string) string {
	if plain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func quoteFish(s string) string {
	if plain(s) {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

func quotePwsh(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// quoteDotenv quotes what readers of .env files would take for something
// else. A line break cannot be written in all of them; no value here has one.
func quoteDotenv(s string) string {
	if plain(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(s) + `"`
}
