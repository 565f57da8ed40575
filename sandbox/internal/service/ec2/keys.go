package ec2

import (
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Key pairs: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-key-pairs.html
// and, for fingerprints, …/verify-keys.html. The sandbox keeps public keys
// only.

// keyPair finds a key pair by id or by name.
func (c *call) keyPair(id, name string) (keyPairRow, bool) {
	for _, k := range keyPairs.Range(c.tx, c.scope()) {
		if id != "" && k.ID == id || id == "" && k.Name == name {
			return k, true
		}
	}
	return keyPairRow{}, false
}

func (c *call) newKeyPair(name *string, specs []types.TagSpecification) (keyPairRow, []types.Tag, error) {
	tags, err := specified(specs, types.ResourceTypeKeyPair)
	if err != nil {
		return keyPairRow{}, nil, err
	}
	n := aws.ToString(name)
	if n == "" || len(n) > 255 || strings.TrimSpace(n) != n {
		return keyPairRow{}, nil, invalid("Value (%s) for parameter KeyName is invalid.", n)
	}
	if _, ok := c.keyPair("", n); ok {
		return keyPairRow{}, nil, wire.Fail("InvalidKeyPair.Duplicate", 400, "The keypair already exists")
	}
	return keyPairRow{ID: newID("key"), Name: n, Created: c.now}, tags, nil
}

func (c *call) importKeyPair(in *api.ImportKeyPairInput) (*api.ImportKeyPairOutput, error) {
	k, tags, err := c.newKeyPair(in.KeyName, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	if k.PublicKey, k.Type, k.Fingerprint, err = readPublicKey(in.PublicKeyMaterial); err != nil {
		return nil, err
	}
	keyPairs.Put(c.tx, c.key(k.ID), k)
	if err := c.tag(k.ID, tags); err != nil {
		return nil, err
	}
	return &api.ImportKeyPairOutput{KeyPairId: &k.ID, KeyName: &k.Name, KeyFingerprint: &k.Fingerprint, Tags: c.tags(k.ID)}, nil
}

// readPublicKey reads an OpenSSH public key (RFC 4253, section 6.6; RFC
// 8709) or a PEM-encoded RSA key, and takes its fingerprint.
func readPublicKey(material []byte) (text string, kind types.KeyType, fingerprint string, err error) {
	bad := wire.Fail("InvalidKey.Format", 400, "Key is not in valid OpenSSH public key format")
	if p, _ := pem.Decode(material); p != nil {
		key, err := x509.ParsePKIXPublicKey(p.Bytes)
		pub, ok := key.(*rsa.PublicKey)
		if err != nil || !ok {
			return "", "", "", bad
		}
		return sshRSA(pub), types.KeyTypeRsa, md5Fingerprint(pub), nil
	}
	words := strings.Fields(string(material))
	if len(words) < 2 {
		return "", "", "", bad
	}
	blob, err := base64.StdEncoding.DecodeString(words[1])
	if err != nil {
		return "", "", "", bad
	}
	fields, ok := sshFields(blob)
	if !ok || len(fields) < 2 || string(fields[0]) != words[0] {
		return "", "", "", bad
	}
	text = strings.Join(words, " ")
	switch words[0] {
	case "ssh-ed25519":
		if len(fields) != 2 || len(fields[1]) != ed25519.PublicKeySize {
			return "", "", "", bad
		}
		return text, types.KeyTypeEd25519, shaFingerprint(blob), nil
	case "ssh-rsa":
		if len(fields) != 3 || len(fields[1]) > 4 {
			return "", "", "", bad
		}
		pub := &rsa.PublicKey{E: int(new(big.Int).SetBytes(fields[1]).Int64()), N: new(big.Int).SetBytes(fields[2])}
		if bits := pub.N.BitLen(); bits != 1024 && bits != 2048 && bits != 4096 {
			return "", "", "", wire.Fail("InvalidKey.Format", 400, "Unsupported RSA key length %d: EC2 takes 1024, 2048 and 4096 bits", bits)
		}
		return text, types.KeyTypeRsa, md5Fingerprint(pub), nil
	}
	return "", "", "", bad
}

// sshFields splits a key blob into its length-prefixed fields.
func sshFields(b []byte) (out [][]byte, ok bool) {
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, false
		}
		n := int(binary.BigEndian.Uint32(b))
		if b = b[4:]; n > len(b) {
			return nil, false
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out, true
}

func sshField(b, field []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(field))), field...)
}

// sshInt is a positive integer with the leading zero that keeps it so.
func sshInt(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func sshRSA(pub *rsa.PublicKey) string {
	b := sshField(sshField(sshField(nil, []byte("ssh-rsa")), sshInt(big.NewInt(int64(pub.E)))), sshInt(pub.N))
	return "ssh-rsa " + base64.StdEncoding.EncodeToString(b)
}

// md5Fingerprint is that of an imported RSA key.
func md5Fingerprint(pub *rsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return ""
	}
	sum := md5.Sum(der)
	return colons(sum[:])
}

// shaFingerprint is that of an ED25519 key: like ssh-keygen's, but padded.
func shaFingerprint(blob []byte) string {
	sum := sha256.Sum256(blob)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i, x := range b {
		parts[i] = hex.EncodeToString([]byte{x})
	}
	return strings.Join(parts, ":")
}

func (c *call) createKeyPair(in *api.CreateKeyPairInput) (*api.CreateKeyPairOutput, error) {
	if in.KeyFormat == types.KeyFormatPpk {
		return nil, unsupported("key pairs in PPK format")
	}
	k, tags, err := c.newKeyPair(in.KeyName, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	var private string
	switch in.KeyType {
	case types.KeyTypeEd25519:
		k.Type = types.KeyTypeEd25519
		private, k.PublicKey, k.Fingerprint, err = newEd25519()
	case types.KeyTypeRsa, "":
		k.Type = types.KeyTypeRsa
		private, k.PublicKey, k.Fingerprint, err = newRSA()
	default:
		return nil, invalid("Value (%s) for parameter KeyType is invalid.", in.KeyType)
	}
	if err != nil {
		return nil, err
	}
	keyPairs.Put(c.tx, c.key(k.ID), k)
	if err := c.tag(k.ID, tags); err != nil {
		return nil, err
	}
	return &api.CreateKeyPairOutput{KeyPairId: &k.ID, KeyName: &k.Name, KeyFingerprint: &k.Fingerprint, KeyMaterial: &private, Tags: c.tags(k.ID)}, nil
}

func newRSA() (private, public, fingerprint string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", "", err
	}
	sum := sha1.Sum(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return string(text), sshRSA(&key.PublicKey), colons(sum[:]), nil
}

// newEd25519 makes a key in OpenSSH's format,
// https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.key
func newEd25519() (private, public, fingerprint string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", "", "", err
	}
	name := []byte("ssh-ed25519")
	blob := sshField(sshField(nil, name), pub)
	var check [4]byte
	rand.Read(check[:]) // never fails
	secret := slices.Concat(check[:], check[:])
	secret = sshField(sshField(sshField(sshField(secret, name), pub), key), nil)
	for i := byte(1); len(secret)%8 != 0; i++ {
		secret = append(secret, i)
	}
	b := []byte("openssh-key-v1\x00")
	b = sshField(sshField(sshField(b, []byte("none")), []byte("none")), nil)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = sshField(sshField(b, blob), secret)
	text := pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: b})
	return string(text), "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob), shaFingerprint(blob), nil
}

var keyFields = fields[types.KeyPairInfo]{
	"fingerprint": func(k types.KeyPairInfo) []string { return str(k.KeyFingerprint) },
	"key-name":    func(k types.KeyPairInfo) []string { return str(k.KeyName) },
	"key-pair-id": func(k types.KeyPairInfo) []string { return str(k.KeyPairId) },
}

func (c *call) describeKeyPairs(in *api.DescribeKeyPairsInput) (*api.DescribeKeyPairsOutput, error) {
	var views []types.KeyPairInfo
	for _, k := range all(c, keyPairs) {
		v := types.KeyPairInfo{KeyPairId: &k.ID, KeyName: &k.Name, KeyFingerprint: &k.Fingerprint, KeyType: k.Type, CreateTime: &k.Created, Tags: c.tags(k.ID)}
		if aws.ToBool(in.IncludePublicKey) {
			v.PublicKey = &k.PublicKey
		}
		views = append(views, v)
	}
	for _, name := range in.KeyNames {
		if _, ok := c.keyPair("", name); !ok {
			return nil, keyNoun.gone(name)
		}
	}
	if len(in.KeyNames) > 0 {
		views = slices.DeleteFunc(views, func(k types.KeyPairInfo) bool { return !slices.Contains(in.KeyNames, *k.KeyName) })
	}
	views, err := pick(views, in.KeyPairIds, keyNoun, func(k types.KeyPairInfo) string { return *k.KeyPairId })
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, keyFields, func(k types.KeyPairInfo) []types.Tag { return k.Tags }); err != nil {
		return nil, err
	}
	return &api.DescribeKeyPairsOutput{KeyPairs: views}, nil
}

// mayDeleteKeyPair checks the key pair; its ARN ends in its name.
func (c *call) mayDeleteKeyPair(in *api.DeleteKeyPairInput) ([]service.Check, error) {
	name := aws.ToString(in.KeyName)
	if in.KeyName == nil && in.KeyPairId == nil {
		return nil, lacking("KeyName")
	}
	return []service.Check{c.onKeyPair(aws.ToString(in.KeyPairId), name)}, nil
}

// onKeyPair checks a key pair by id or name.
func (c *call) onKeyPair(id, name string, keys ...service.KV) service.Check {
	k, ok := c.keyPair(id, name)
	if !ok {
		return c.may("ec2:"+c.op, c.arn(keyNoun, id+name), keys...)
	}
	return c.check(keyNoun, k.ID, keys...)
}

// deleteKeyPair succeeds also when there is no such key pair, as EC2 does.
func (c *call) deleteKeyPair(in *api.DeleteKeyPairInput) (*api.DeleteKeyPairOutput, error) {
	k, ok := c.keyPair(aws.ToString(in.KeyPairId), aws.ToString(in.KeyName))
	if !ok {
		return &api.DeleteKeyPairOutput{Return: new(true)}, nil
	}
	keyPairs.Delete(c.tx, c.key(k.ID))
	c.forget(k.ID)
	return &api.DeleteKeyPairOutput{Return: new(true), KeyPairId: &k.ID}, nil
}

func (c *call) mayMakeKeyPair(name *string, specs []types.TagSpecification, keys ...service.KV) ([]service.Check, error) {
	tags, err := specified(specs, types.ResourceTypeKeyPair)
	if err != nil {
		return nil, err
	}
	out := []service.Check{c.may("ec2:"+c.op, c.arn(keyNoun, aws.ToString(name)), append(requestTags(tags), keys...)...)}
	return append(out, c.tagging(keyNoun, aws.ToString(name), tags)...), nil
}

func (c *call) mayImportKeyPair(in *api.ImportKeyPairInput) ([]service.Check, error) {
	return c.mayMakeKeyPair(in.KeyName, in.TagSpecifications)
}

func (c *call) mayCreateKeyPair(in *api.CreateKeyPairInput) ([]service.Check, error) {
	kind := in.KeyType
	if kind == "" {
		kind = types.KeyTypeRsa
	}
	return c.mayMakeKeyPair(in.KeyName, in.TagSpecifications, kv("ec2:KeyPairType", string(kind)))
}
