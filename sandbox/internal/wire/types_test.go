package wire

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// Structs in the form of aws-sdk-go-v2 for services whose SDK modules are not
// a dependency.
type (
	attributeValue           interface{ isAttributeValue() }
	attributeValueMemberB    struct{ Value []byte }
	attributeValueMemberBOOL struct{ Value bool }
	attributeValueMemberBS   struct{ Value [][]byte }
	attributeValueMemberL    struct{ Value []attributeValue }
	attributeValueMemberM    struct{ Value map[string]attributeValue }
	attributeValueMemberN    struct{ Value string }
	attributeValueMemberNS   struct{ Value []string }
	attributeValueMemberNULL struct{ Value bool }
	attributeValueMemberS    struct{ Value string }
	attributeValueMemberSS   struct{ Value []string }
	dynamoConsumedCapacity   struct {
		CapacityUnits *float64
		TableName     *string
	}
	dynamoGetItemInput struct {
		Key                      map[string]attributeValue
		TableName                *string
		AttributesToGet          []string
		ConsistentRead           *bool
		ExpressionAttributeNames map[string]string
		ProjectionExpression     *string
		ReturnConsumedCapacity   string
	}
	dynamoGetItemOutput struct {
		ConsumedCapacity *dynamoConsumedCapacity
		Item             map[string]attributeValue
	}
	ec2KeyPair struct {
		KeyName, KeyFingerprint *string
		CreateTime              *time.Time
		Tags                    []ec2Tag
	}
	ec2DescribeKeyPairsInput struct {
		KeyNames []string
		Filters  []ec2Filter
	}
	ec2DescribeKeyPairsOutput struct{ KeyPairs []ec2KeyPair }
	podIdentityInput          struct{ ClusterName, Token *string }
	podIdentityOutput         struct {
		Audience    *string
		Subject     *struct{ Namespace, ServiceAccount *string }
		Credentials *struct {
			AccessKeyId, SecretAccessKey, SessionToken *string
			Expiration                                 *time.Time
		}
	}
)

func (*attributeValueMemberB) isAttributeValue()    {}
func (*attributeValueMemberBOOL) isAttributeValue() {}
func (*attributeValueMemberBS) isAttributeValue()   {}
func (*attributeValueMemberL) isAttributeValue()    {}
func (*attributeValueMemberM) isAttributeValue()    {}
func (*attributeValueMemberN) isAttributeValue()    {}
func (*attributeValueMemberNS) isAttributeValue()   {}
func (*attributeValueMemberNULL) isAttributeValue() {}
func (*attributeValueMemberS) isAttributeValue()    {}
func (*attributeValueMemberSS) isAttributeValue()   {}

var attributeValues = UnionOf[attributeValue](&attributeValueMemberB{}, &attributeValueMemberBOOL{}, &attributeValueMemberBS{},
	&attributeValueMemberL{}, &attributeValueMemberM{}, &attributeValueMemberN{}, &attributeValueMemberNS{},
	&attributeValueMemberNULL{}, &attributeValueMemberS{}, &attributeValueMemberSS{})

// dump turns a Go value into what its JSON form would be read as, leaving
// out what is absent; a union becomes {"Member": value}.
func dump(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return dump(v.Elem())
	case reflect.Interface:
		if v.IsNil() {
			return nil
		}
		_, name, ok := strings.Cut(v.Elem().Type().Elem().Name(), "Member")
		if !ok {
			return nil // a body
		}
		return map[string]any{name: dump(v.Elem().Elem().Field(0))}
	case reflect.Struct:
		if t, ok := v.Interface().(time.Time); ok {
			return t.Format(time.RFC3339Nano)
		}
		o := map[string]any{}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
				o[f.Name] = dump(v.Field(i))
			}
		}
		return o
	case reflect.Slice:
		if b, ok := v.Interface().([]byte); ok {
			return base64.StdEncoding.EncodeToString(b)
		}
		l := []any{}
		for i := range v.Len() {
			l = append(l, dump(v.Index(i)))
		}
		return l
	case reflect.Map:
		o := map[string]any{}
		for _, k := range v.MapKeys() {
			o[k.String()] = dump(v.MapIndex(k))
		}
		return o
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int32, reflect.Int64:
		return float64(v.Int())
	}
	return v.Interface()
}

// fill is dump's inverse.
func fill(v reflect.Value, x any, unions ...Union) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), x, unions...)
	case reflect.Interface:
		for _, u := range unions {
			for name, y := range x.(map[string]any) {
				if u.iface == v.Type() {
					p := reflect.New(u.members[name])
					fill(p.Elem().Field(0), y, unions...)
					v.Set(p)
				}
			}
		}
	case reflect.Struct:
		if v.Type() == timeType {
			t, err := time.Parse(time.RFC3339Nano, x.(string))
			if err != nil {
				panic(err)
			}
			v.Set(reflect.ValueOf(t))
			return
		}
		for name, y := range x.(map[string]any) {
			f := v.FieldByName(name)
			if !f.IsValid() {
				panic(fmt.Sprintf("%s has no field %s", v.Type(), name))
			}
			fill(f, y, unions...)
		}
	case reflect.Slice:
		if v.Type() == bytesType {
			b, err := base64.StdEncoding.DecodeString(x.(string))
			if err != nil {
				panic(err)
			}
			v.SetBytes(b)
			return
		}
		l := x.([]any)
		v.Set(reflect.MakeSlice(v.Type(), len(l), len(l)))
		for i := range l {
			fill(v.Index(i), l[i], unions...)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for k, y := range x.(map[string]any) {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(e, y, unions...)
			v.SetMapIndex(reflect.ValueOf(k), e)
		}
	case reflect.String:
		v.SetString(x.(string))
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(x.(float64)))
	default:
		v.Set(reflect.ValueOf(x).Convert(v.Type()))
	}
}

func parse(text []byte) any {
	var x any
	if err := json.Unmarshal(text, &x); err != nil {
		panic(fmt.Sprintf("%v in %s", err, text))
	}
	return x
}
