package agent

import (
	"encoding/json"
	"testing"
)

// FuzzAppendField: what is appended is JSON, and reads back as it was.
func FuzzAppendField(f *testing.F) {
	for _, s := range []string{"", "IQoJb3JpZ2luX2VjEXAMPLE==", "12345678", "1234567\"", "\\2345678", "1234567\x1f9", "12345678\x7f", "1234é78", "\x80", "        ", "!#[]!#[]~"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got, want string
		text := appendField(nil, "", s)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q as %s: %v", s, text, err)
		}
		oracle, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(oracle, &want); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("%q as %s", s, text)
		}
	})
}

// Every byte, at every place of a word, is plain exactly if JSON lets it stand.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 19 {
			b := []byte("aaaaaaaaaaaaaaaaaaa")
			b[at] = byte(c)
			want := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
			if got := plain(string(b)); got != want {
				t.Fatalf("byte %#x at %d: plain %v, want %v", c, at, got, want)
			}
		}
	}
}
