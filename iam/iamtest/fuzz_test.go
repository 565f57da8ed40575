package iamtest

import "testing"

// FuzzParse: no script makes the reader or the engine panic.
func FuzzParse(f *testing.F) {
	f.Add("# t\nrole/a@s#AROA s3:Get arn:aws:s3:::b k=[a,b] \"x=y z\" owner=1\n\timplicit deny identity f.json:1 Sid a:b\n-- identity.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Resource\": \"*\"}}\n")
	f.Add("provider:x sts:AssumeRole y\n allow\n-- trust.json --\n{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\", \"Principal\": \"*\"}}\n-- scp3-x.json --\n{}")
	f.Fuzz(func(t *testing.T, src string) {
		s, err := Parse("f", []byte(src))
		if err != nil {
			return
		}
		for i := range s.Cases {
			d, action := s.Decide(&s.Cases[i])
			_ = s.Cases[i].Check(d, action)
		}
	})
}
