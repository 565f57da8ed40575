package dynamodb

import (
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// The bounds of the type Number: 38 significant digits, and magnitudes from
// 1E-130 to 9.99…E+125.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html#HowItWorks.DataTypes.Number
const (
	maxDigits   = 38
	maxExponent = 125
	minExponent = -130
)

// parseNumber reads a number. Only digits, one point, signs and an exponent
// are allowed; leading and trailing zeros cost no digits.
func parseNumber(s string) (*apd.Decimal, error) {
	digits, exponent, neg, ok := scanNumber(s)
	if !ok {
		if s == "" {
			return nil, invalid("The parameter cannot be converted to a numeric value")
		}
		return nil, invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	if len(digits) > maxDigits {
		return nil, invalid("Attempting to store more than 38 significant digits in a Number")
	}
	d := new(apd.Decimal)
	if len(digits) == 0 {
		return d, nil
	}
	if err := inRange(exponent + len(digits) - 1); err != nil {
		return nil, err
	}
	if _, _, err := d.SetString(string(digits)); err != nil {
		return nil, invalid("The parameter cannot be converted to a numeric value: %s", s)
	}
	d.Exponent, d.Negative = int32(exponent), neg
	return d, nil
}

// inRange checks the exponent of a number's first digit.
func inRange(adjusted int) error {
	switch {
	case adjusted > maxExponent:
		return invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case adjusted < minExponent:
		return invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return nil
}

// scanNumber splits a number into its significant digits, without zeros at
// either end, and the exponent of the last of them. It bounds what apd is
// given, whatever the length of s.
func scanNumber(s string) (digits []byte, exponent int, neg, ok bool) {
	i := 0
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		neg = s[i] == '-'
		i++
	}
	zeros := 0 // zeros since the last other digit
	point, any := false, false
	for ; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '.' && !point:
			point = true
			continue
		case c < '0' || c > '9':
		default:
			any = true
			if point {
				exponent--
			}
			switch {
			case c != '0':
				for ; zeros > 0 && len(digits) <= maxDigits; zeros-- {
					digits = append(digits, '0')
				}
				zeros = 0
				if len(digits) <= maxDigits {
					digits = append(digits, c)
				}
			case len(digits) > 0:
				zeros++
			}
			continue
		}
		break
	}
	if !any {
		return nil, 0, false, false
	}
	exponent += zeros
	if i < len(s) {
		if s[i] != 'e' && s[i] != 'E' {
			return nil, 0, false, false
		}
		e, err := strconv.Atoi(s[i+1:])
		switch {
		case err == nil && e > -1<<24 && e < 1<<24:
			exponent += e
		case err != nil && !isRange(err):
			return nil, 0, false, false
		case s[i+1] == '-':
			exponent = -1 << 24
		default:
			exponent = 1 << 24
		}
	}
	return digits, exponent, neg && len(digits) > 0, true
}

func isRange(err error) bool {
	e, ok := err.(*strconv.NumError)
	return ok && e.Err == strconv.ErrRange
}

// formatNumber writes a number as DynamoDB returns it: all digits, no
// exponent, no zeros that say nothing.
func formatNumber(d *apd.Decimal) string {
	if d.IsZero() {
		return "0"
	}
	var r apd.Decimal
	r.Reduce(d)
	return r.Text('f')
}

// normalNumber is the stored form of a number.
func normalNumber(s string) (string, error) {
	d, err := parseNumber(s)
	if err != nil {
		return "", err
	}
	return formatNumber(d), nil
}

// exact is wide enough for any sum of two numbers: from 1E-130 to 1E+126.
var exact = apd.Context{Precision: 300, MaxExponent: apd.MaxExponent, MinExponent: apd.MinExponent}

// addNumbers adds b to a, or subtracts it. Both are in stored form.
func addNumbers(a, b string, subtract bool) (string, error) {
	x, err := parseNumber(a)
	if err != nil {
		return "", err
	}
	y, err := parseNumber(b)
	if err != nil {
		return "", err
	}
	if subtract {
		y.Neg(y)
	}
	var sum apd.Decimal
	if _, err := exact.Add(&sum, x, y); err != nil {
		return "", invalid("The parameter cannot be converted to a numeric value: %s", err)
	}
	// The sum must be a number that could have been given.
	return normalNumber(formatNumber(&sum))
}

// compareNumbers orders two numbers in stored form.
func compareNumbers(a, b string) int {
	x, errX := parseNumber(a)
	y, errY := parseNumber(b)
	if errX != nil || errY != nil {
		return 0 // not reached: only checked numbers are stored or bound
	}
	return x.Cmp(y)
}

// appendNumberKey appends a form of the number whose bytes order as the
// numbers do: a sign, the exponent of the first digit, the digits and an end
// mark; for negative numbers the complement of all but the sign.
func appendNumberKey(b []byte, s string) []byte {
	digits, exponent, neg, _ := scanNumber(s)
	if len(digits) == 0 {
		return append(b, 2)
	}
	sign := byte(3)
	if neg {
		sign = 1
	}
	b = append(b, sign)
	from := len(b)
	adjusted := exponent + len(digits) - 1 + 1<<15
	b = append(b, byte(adjusted>>8), byte(adjusted))
	for _, d := range digits {
		b = append(b, d-'0'+2)
	}
	// The end mark: less than every digit, and of a negative number greater.
	// It is never 0xff, so that there is a key right after it.
	b = append(b, 0)
	if neg {
		for i := from; i < len(b); i++ {
			b[i] = ^b[i]
		}
		b[len(b)-1] = 0xfe
	}
	return b
}
