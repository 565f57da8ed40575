package sts

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The keys and tokens of RFC 7515, A.2 and A.3, with key ids.
const (
	rfcKeys = `{"keys":[
		{"kty":"RSA","kid":"a2","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
		{"kty":"EC","kid":"a3","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	rfcClaims = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	rfcRS256  = "eyJhbGciOiJSUzI1NiJ9." + rfcClaims + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
	rfcES256  = "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)

func TestTokensOfRFC7515(t *testing.T) {
	keys, err := readKeys([]byte(rfcKeys))
	if err != nil || len(keys) != 2 {
		t.Fatalf("%d keys, %v", len(keys), err)
	}
	for _, text := range []string{rfcRS256, rfcES256} {
		token, err := readToken(text)
		if err != nil {
			t.Fatal(err)
		}
		if !token.verify(keys) {
			t.Errorf("%s: the signature of the RFC does not verify", token.alg)
		}
		for i, k := range keys {
			if want := (token.alg == "RS256") == (i == 0); token.verify(keys[i:i+1]) != want {
				t.Errorf("%s with key %s: verifies %t", token.alg, k.kid, !want)
			}
		}
		for i := range token.signature {
			token.signature[i] ^= 1
			if token.verify(keys) {
				t.Fatalf("%s: verifies with bit %d of the signature changed", token.alg, i)
			}
			token.signature[i] ^= 1
		}
		token.signed += "A"
		if token.verify(keys) {
			t.Errorf("%s: verifies another text", token.alg)
		}
		token.signed = strings.TrimSuffix(token.signed, "A")
		token.kid = "another"
		if token.verify(keys) {
			t.Errorf("%s: verifies with a key of another id", token.alg)
		}
	}
}

func TestReadTokenRefuses(t *testing.T) {
	part := base64.RawURLEncoding.EncodeToString
	token := func(header, claims string) string { return part([]byte(header)) + "." + part([]byte(claims)) + ".AAAA" }
	for name, text := range map[string]string{
		"two parts":          "eyJhbGciOiJFUzI1NiJ9." + rfcClaims,
		"four parts":         rfcES256 + ".x",
		"padding":            token(`{"alg":"ES256"}`, `{"a":1}`) + "=",
		"line break":         "eyJhbGciOiJFUzI1NiJ9\n." + rfcClaims + ".AAAA",
		"loose last bits":    "eyJhbGciOiJFUzI1NiJ9." + rfcClaims + ".AAB",
		"no algorithm":       token(`{}`, `{}`),
		"algorithm none":     token(`{"alg":"none"}`, `{}`),
		"shared secret":      token(`{"alg":"HS256"}`, `{}`),
		"critical extension": token(`{"alg":"ES256","crit":["b64"],"b64":false}`, `{}`),
		"claim twice":        token(`{"alg":"ES256"}`, `{"sub":"a","sub":"b"}`),
		"claims are a list":  token(`{"alg":"ES256"}`, `[]`),
		"text after claims":  token(`{"alg":"ES256"}`, `{} {}`),
		"claims cut short":   token(`{"alg":"ES256"}`, `{"a":`),
	} {
		if _, err := readToken(text); err == nil {
			t.Errorf("%s: is read", name)
		}
	}
}

func TestReadKeysLeavesOut(t *testing.T) {
	for name, key := range map[string]string{
		"encryption":        strings.Replace(rfcKeys, `"kid":"a3"`, `"kid":"a3","use":"enc"`, 1),
		"another curve":     strings.Replace(rfcKeys, "P-256", "secp256k1", 1),
		"not on the curve":  strings.Replace(rfcKeys, `"x_FEz`, `"x_FEy`, 1),
		"short coordinate":  strings.Replace(rfcKeys, `"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`, `"AAAA"`, 1),
		"short modulus":     strings.Replace(rfcKeys, `"n":"ofgWCuLjybRlzo0tZWJj`, `"n":"AAAAAAAAAAAAAAAAAAAA`, 1),
		"even exponent":     strings.Replace(rfcKeys, "AQAB", "AQAC", 1),
		"exponent one":      strings.Replace(rfcKeys, "AQAB", "AQ", 1),
		"huge exponent":     strings.Replace(rfcKeys, "AQAB", "AQAAAAAAAAAAAAAAAAAB", 1),
		"unknown type":      strings.Replace(rfcKeys, `"kty":"EC"`, `"kty":"OKP"`, 1),
		"symmetric key":     strings.Replace(rfcKeys, `"kty":"RSA"`, `"kty":"oct"`, 1),
		"padded coordinate": strings.Replace(rfcKeys, `5a0"`, `5a0="`, 1),
	} {
		if keys, err := readKeys([]byte(key)); err != nil || len(keys) != 1 {
			t.Errorf("%s: %d keys, %v; want 1", name, len(keys), err)
		}
	}
	for _, doc := range []string{"", "[]", "{}", `{"keys":{}}`} {
		if _, err := readKeys([]byte(doc)); err == nil {
			t.Errorf("%q is read as a key set", doc)
		}
	}
}

// FuzzToken holds that no token but those of the RFC verifies with its keys.
func FuzzToken(f *testing.F) {
	f.Add(rfcRS256)
	f.Add(rfcES256)
	f.Add(strings.Replace(rfcES256, "eyJhbGciOiJFUzI1NiJ9", "eyJhbGciOiJub25lIn0", 1))
	f.Add("..")
	keys, err := readKeys([]byte(rfcKeys))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := readToken(text)
		if err != nil {
			return
		}
		// ECDSA signatures have two forms, r·s and r·(n-s), for one text.
		if token.verify(keys) && token.signed+"." != rfcRS256[:len(token.signed)+1] && token.signed+"." != rfcES256[:len(token.signed)+1] {
			t.Errorf("%q verifies", text)
		}
	})
}

func FuzzKeys(f *testing.F) {
	f.Add([]byte(rfcKeys))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-521"}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys, err := readKeys(doc)
		if err != nil {
			return
		}
		token, err := readToken(rfcES256)
		if err != nil {
			t.Fatal(err)
		}
		token.verify(keys)
	})
}
