package xmldsig

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	assertionSpace = "urn:oasis:names:tc:SAML:2.0:assertion"
)

func publicKey(t testing.TB, file string) crypto.PublicKey {
	t.Helper()
	block, _ := pem.Decode(read(t, file))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// check verifies all signatures around the response and the assertion, and
// tells how many there are.
func check(doc []byte, keys ...crypto.PublicKey) (int, error) {
	root, err := Parse(doc)
	if err != nil {
		return 0, err
	}
	if err := UniqueIDs(root); err != nil {
		return 0, err
	}
	n := 0
	for _, e := range []*Element{root, root.Element(assertionSpace, "Assertion")} {
		if e == nil {
			return n, errors.New("no assertion")
		}
		sig, err := Signature(e)
		if err != nil {
			return n, err
		}
		if sig == nil {
			continue
		}
		if err := Verify(e, sig, keys); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// TestOthersSignatures: what OpenJDK and xml-crypto have signed verifies, with
// the key that signed and with no other.
func TestOthersSignatures(t *testing.T) {
	rsa, ec := publicKey(t, "rsa.pub"), publicKey(t, "ec.pub")
	for _, c := range []struct {
		file       string
		key, other crypto.PublicKey
		want       int
	}{
		{"assertion-rsa.xml", rsa, ec, 1},
		{"assertion-ecdsa384.xml", ec, rsa, 1},
		{"response-rsa512-prefixes.xml", rsa, ec, 1},
		{"both.xml", rsa, ec, 2},
		{"js.xml", rsa, ec, 1},
	} {
		doc := read(t, c.file)
		if n, err := check(doc, c.other, c.key); n != c.want || err != nil {
			t.Errorf("%s: %d signatures, %v, want %d", c.file, n, err, c.want)
		}
		if n, err := check(doc, c.other); !errors.Is(err, ErrSignature) {
			t.Errorf("%s with another key: %d signatures, %v", c.file, n, err)
		}
		if n, err := check(doc); !errors.Is(err, ErrSignature) {
			t.Errorf("%s without keys: %d signatures, %v", c.file, n, err)
		}
	}
	root, err := Parse(read(t, "assertion-rsa.xml"))
	if err != nil {
		t.Fatal(err)
	}
	// What is between comments and CDATA limits is one text.
	name, _ := root.Element(assertionSpace, "Assertion").Element(assertionSpace, "Subject").Element(assertionSpace, "NameID").Text()
	if want := "mira@example.com & <co>"; name != want {
		t.Errorf("the name is %q, want %q", name, want)
	}
}

// TestEveryByteCounts: no byte of what is signed can be another.
func TestEveryByteCounts(t *testing.T) {
	key := publicKey(t, "rsa.pub")
	doc := read(t, "js.xml")
	from, to := bytes.Index(doc, []byte("<Assertion")), bytes.Index(doc, []byte("</Assertion>"))
	accepted := 0
	for i := from; i < to; i++ {
		bad := bytes.Clone(doc)
		bad[i] ^= 1
		if n, err := check(bad, key); n > 0 && err == nil {
			// The comment, and a declaration that nothing makes use of, are
			// not signed.
			a, _ := Parse(doc)
			b, _ := Parse(bad)
			sa, _ := Signature(a.Element(assertionSpace, "Assertion"))
			sb, _ := Signature(b.Element(assertionSpace, "Assertion"))
			if got, want := Canonical(b, nil, sb), Canonical(a, nil, sa); !bytes.Equal(got, want) {
				t.Errorf("byte %d (%q) changed: accepted", i, doc[max(0, i-10):i+10])
			}
			accepted++
		}
	}
	if accepted > 39 {
		t.Errorf("%d changed documents were accepted", accepted)
	}
}

// TestForgeries: the ways in which a good signature is put to bad use.
func TestForgeries(t *testing.T) {
	key := publicKey(t, "rsa.pub")
	doc := string(read(t, "js.xml"))
	whole := string(read(t, "response-rsa512-prefixes.xml"))
	cut := func(doc, from, to string) string {
		_, rest, _ := strings.Cut(doc, from)
		inner, _, _ := strings.Cut(rest, to)
		return from + inner + to
	}
	assertion := cut(doc, "<Assertion", "</Assertion>")
	signature := cut(assertion, "<ds:Signature", "</ds:Signature>")
	if !strings.Contains(doc, "<ds:Signature") {
		signature = cut(assertion, "<Signature", "</Signature>")
	}
	forged := strings.Replace(strings.Replace(assertion, signature, "", 1), "mira", "root", 1)
	swap := func(old, new string) string {
		if !strings.Contains(doc, old) {
			t.Fatalf("the document has no %q", old)
		}
		return strings.ReplaceAll(doc, old, new)
	}
	for what, c := range map[string]struct{ doc, want string }{
		"another assertion, the signed one inside": {strings.Replace(doc, assertion, strings.Replace(forged, "</Assertion>", assertion+"</Assertion>", 1), 1), "twice"},
		"the same with another ID":                 {strings.Replace(doc, assertion, strings.Replace(strings.Replace(forged, `ID="_a1"`, `ID="_a2"`, 1), "</Assertion>", assertion+"</Assertion>", 1), 1), "0"},
		"the signature moved to another assertion": {strings.Replace(doc, assertion, strings.Replace(strings.Replace(forged, `ID="_a1"`, `ID="_a2"`, 1), "</Issuer>", "</Issuer>"+signature, 1), 1), `refers to "#_a1"`},
		"two signatures":                           {strings.Replace(doc, signature, signature+signature, 1), "2 signatures"},
		"a reference to nothing":                   {swap(`URI="#_a1"`, `URI=""`), `refers to ""`},
		"a reference to a file":                    {swap(`URI="#_a1"`, `URI="file:///etc/passwd"`), "refers to"},
		"a reference by XPointer":                  {swap(`URI="#_a1"`, `URI="#xpointer(/)"`), "refers to"},
		"SHA-1":                                    {string(read(t, "sha1.xml")), "not supported"},
		"an HMAC with the key as its secret":       {swap("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), "not supported"},
		"inclusive canonicalization":               {swap(exclusiveC14N, "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"), "not supported"},
		"a stylesheet as transform":                {swap(enveloped, "http://www.w3.org/TR/1999/REC-xslt-19991116"), "not one that SAML allows"},
		"MD5":                                      {swap("http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2001/04/xmldsig-more#md5"), "not supported"},
		"another role":                             {swap("Role", "Rule"), "not valid"},
		"the response around it":                   {strings.Replace(whole, "status:Success", "status:Failure", 1), "not valid"},
	} {
		n, err := check([]byte(c.doc), key)
		if err == nil && c.want == "0" && n == 0 {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d signatures, %v, want %q", what, n, err, c.want)
		}
	}
}

// TestCanonical: examples of Exclusive XML Canonicalization 1.0 (2, 2.1), and
// what is particular to it.
func TestCanonical(t *testing.T) {
	const nested = `<n0:local xmlns:n0="foo:bar" xmlns:n3="ftp://example.org"><n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"/></n1:elem2></n0:local>`
	for _, c := range []struct {
		doc, name string
		inclusive []string
		want      string
	}{
		{nested, "elem2", nil, `<n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"></n3:stuff></n1:elem2>`},
		{nested, "elem2", []string{"n0", "n3", "none"}, `<n1:elem2 xmlns:n0="foo:bar" xmlns:n1="http://example.net" xmlns:n3="ftp://example.org" xml:lang="en"><n3:stuff></n3:stuff></n1:elem2>`},
		{nested, "local", nil, `<n0:local xmlns:n0="foo:bar"><n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"></n3:stuff></n1:elem2></n0:local>`},
		{`<a xmlns="u"><b xmlns=""><c xmlns="u"/></b></a>`, "b", nil, `<b><c xmlns="u"></c></b>`},
		{`<a xmlns="u"><b xmlns=""><c xmlns="u"/></b></a>`, "a", nil, `<a xmlns="u"><b xmlns=""><c xmlns="u"></c></b></a>`},
		{`<p:a xmlns:p="u" xmlns="d"><p:b/></p:a>`, "a", []string{"#default"}, `<p:a xmlns="d" xmlns:p="u"><p:b></p:b></p:a>`},
		{`<a xmlns:z="urn:a" xmlns:y="urn:b" y:k="1" z:k="2" k="3" b="4"/>`, "a", nil, `<a xmlns:y="urn:b" xmlns:z="urn:a" b="4" k="3" z:k="2" y:k="1"></a>`},
		{"<a b='&quot;&lt;&gt;&amp;'>&lt;&gt;&amp;&quot;&#13;\r\n</a>", "a", nil, "<a b=\"&quot;&lt;>&amp;\">&lt;&gt;&amp;\"&#xD;\n</a>"},
	} {
		root, err := Parse([]byte(c.doc))
		if err != nil {
			t.Fatal(err)
		}
		root.Walk(func(e *Element) {
			if e.Local == c.name {
				if got := string(Canonical(e, c.inclusive)); got != c.want {
					t.Errorf("%s of %s\ngot  %s\nwant %s", c.name, c.doc, got, c.want)
				}
			}
		})
	}
}

// TestRefusedDocuments: no document that can be read in two ways.
func TestRefusedDocuments(t *testing.T) {
	for doc, want := range map[string]string{
		"":                             "ends before",
		"<a>":                          "ends before",
		"<a/>b":                        "text outside",
		"<a/><b/>":                     "two root",
		"<a></b>":                      "not begun",
		"<a xmlns:p='u'><p:b></b></a>": "not begun",
		"<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>": "document type",
		"<a>&e;</a>":                "entity",
		"<a><?php x?></a>":          "processing instruction",
		"<a/><?xml version='1.0'?>": "processing instruction",
		"<a b='1' b='2'/>":          "twice",
		"<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>": "twice",
		"<a xmlns:p='u' xmlns:p='v'/>":                 "twice",
		"<p:a/>":                                       "not declared",
		"<a p:b='1'/>":                                 "not declared",
		"<a xmlns:xml='u'/>":                           "reserved",
		"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>": "reserved",
		"<a xmlns:xmlns='u'/>":                                "reserved",
		"<a xmlns:p=''/>":                                     "takes the prefix",
		"<a b='1\n2'/>":                                       "line break",
		"<:a/>":                                               "not a name",
		"<?xml version='1.0' encoding='utf-16'?><a/>":         "encoding",
		strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65): "deep",
	} {
		if root, err := Parse([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, %v, want %q", doc, root, err, want)
		}
	}
	root, err := Parse([]byte(`<a ID="1"><b Id="1"/></a>`))
	if err != nil {
		t.Fatal(err)
	}
	if err := UniqueIDs(root); err == nil {
		t.Error("an ID that is there twice")
	}
}

// FuzzParse: what is read and printed in canonical form reads as the same
// again, and no change of a signed document verifies that says something else.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`<a xmlns="u" xmlns:p="v" p:x="1"><p:b>t&#13;</p:b><!-- c --><c xmlns=""/></a>`))
	for _, file := range []string{"assertion-rsa.xml", "both.xml", "js.xml"} {
		f.Add(read(f, file))
	}
	key := publicKey(f, "rsa.pub")
	said := func(root *Element) string {
		name, _ := root.Element(assertionSpace, "Assertion").Element(assertionSpace, "Subject").Element(assertionSpace, "NameID").Text()
		return name
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		root, err := Parse(doc)
		if err != nil {
			return
		}
		once := Canonical(root, nil)
		again, err := Parse(once)
		if err != nil {
			if bytes.ContainsAny(once, "\t\r\n") {
				return
			}
			t.Fatalf("the canonical form %q: %v", once, err)
		}
		if twice := Canonical(again, nil); !bytes.Equal(once, twice) {
			t.Fatalf("canonical forms differ:\n%q\n%q", once, twice)
		}
		if n, err := check(doc, key); n > 0 && err == nil {
			if got := said(root); !strings.HasPrefix(got, "mira@example.com") {
				t.Fatalf("a signed document says %q", got)
			}
		}
	})
}
