package ask

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/mantle-iam/mantle/internal/tf"
)

// newPolicy writes a policy that is new: an inline policy of a role or user, or
// the policy of a bucket or table, after the block of its owner.
func (p *patcher) newPolicy(c *Change, r *tf.Resource, src *source, b *hclsyntax.Block) error {
	if r.Type == "aws_iam_role" {
		for _, inner := range b.Body.Blocks {
			if inner.Type == "inline_policy" {
				// Its inline policies are all that the role may have.
				policy, err := p.encoded(c.add)
				if err != nil {
					return err
				}
				at := lineStart(src.text, b.CloseBraceRange.Start.Byte)
				src.edits = append(src.edits, edit{at, at, "\n  inline_policy {\n" + indentLines("  name   = "+quote(c.Name)+"\n  policy = "+policy+"\n", "  ") + "  }\n"})
				return nil
			}
		}
	}
	owner := map[string]string{
		"aws_iam_role": ".name", "aws_iam_user": ".name", "aws_s3_bucket": ".id", "aws_dynamodb_table": ".arn",
	}[r.Type]
	return p.newResource(c, r.Type, newPlace{src: src, block: b, name: r.Name, owner: r.Address + owner, head: provider(b, src)})
}

// newPlace says how a policy that is new names its owner, and where it goes.
type newPlace struct {
	src   *source
	block *hclsyntax.Block // which it follows
	name  string           // what its own name begins with
	owner string           // an expression
	head  string           // meta-arguments
	tail  string
}

// newResource writes a policy that is new as a resource of its own.
func (p *patcher) newResource(c *Change, kind string, at newPlace) error {
	policy, err := p.encoded(c.add)
	if err != nil {
		return err
	}
	var typ, body string
	switch kind {
	case "aws_iam_role", "aws_iam_user":
		typ = kind + "_policy"
		body = fmt.Sprintf("  name   = %s\n  %s   = %s\n  policy = %s\n", quote(c.Name), strings.TrimPrefix(kind, "aws_iam_"), at.owner, policy)
	case "aws_s3_bucket":
		typ = "aws_s3_bucket_policy"
		body = fmt.Sprintf("  bucket = %s\n  policy = %s\n", at.owner, policy)
	case "aws_dynamodb_table":
		typ = "aws_dynamodb_resource_policy"
		body = fmt.Sprintf("  resource_arn = %s\n  policy       = %s\n", at.owner, policy)
	default:
		return why("a policy for %s is written in a way of its own", kind)
	}
	name := at.name
	if c.Name != "" {
		name += "_" + strings.ToLower(strings.TrimPrefix(c.Name, "Allow"))
	}
	name = p.free(folder(at.src.name), "resource", typ, name)
	block := fmt.Sprintf("\nresource %s %s {\n%s%s%s}\n", quote(typ), quote(name), at.head, body, at.tail)
	end := after(at.src, at.block)
	at.src.edits = append(at.src.edits, edit{end, end, string(hclwrite.Format([]byte(block)))})
	return nil
}

// encoded is a policy of one statement as an expression.
func (p *patcher) encoded(s *statementJSON) (string, error) {
	object, err := p.object(s, "      ")
	if err != nil {
		return "", err
	}
	return "jsonencode({\n    Version   = \"2012-10-17\"\n    Statement = [\n" + object + "\n    ]\n  })", nil
}
