package dynamodb

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/store"
)

// Time to live.

func (d *DynamoDB) describeTimeToLive(_ context.Context, r *service.Request, in *api.DescribeTimeToLiveInput) (*api.DescribeTimeToLiveOutput, error) {
	out := &types.TimeToLiveDescription{TimeToLiveStatus: types.TimeToLiveStatusDisabled}
	err := d.st.View(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, in.TableName)
		if err == nil && t.TTL != "" {
			out.TimeToLiveStatus, out.AttributeName = types.TimeToLiveStatusEnabled, &t.TTL
		}
		return err
	})
	return &api.DescribeTimeToLiveOutput{TimeToLiveDescription: out}, err
}

func (d *DynamoDB) updateTimeToLive(_ context.Context, r *service.Request, in *api.UpdateTimeToLiveInput) (*api.UpdateTimeToLiveOutput, error) {
	spec := in.TimeToLiveSpecification
	on, name := aws.ToBool(spec.Enabled), aws.ToString(spec.AttributeName)
	err := d.st.Update(func(tx *store.Tx) error {
		_, t, err := findNamed(tx, r, in.TableName)
		switch {
		case err != nil:
			return err
		case on && t.TTL == name:
			return invalid("TimeToLive is already enabled")
		case on && t.TTL != "":
			return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
		case !on && t.TTL == "":
			return invalid("TimeToLive is already disabled")
		case !on && t.TTL != name:
			return invalid("TimeToLive is active on a different AttributeName: current AttributeName is %s", t.TTL)
		}
		t = t.edit()
		if t.TTL = name; !on {
			t.TTL = ""
		}
		t.save(tx)
		return nil
	})
	return &api.UpdateTimeToLiveOutput{TimeToLiveSpecification: spec}, err
}

// Continuous backups. They are always on; recovery to a point in time is a
// choice.

// defaultRecoveryDays is the recovery period where none is given.
const defaultRecoveryDays = 35

// findBackedUp is find for operations on backups, which have an error of their
// own for a missing table.
func findBackedUp(tx *store.Tx, r *service.Request, name *string) (*table, error) {
	ref, t, err := look(tx, r, name)
	if err == nil && t == nil {
		err = fail("TableNotFoundException", "Table not found: %s", ref.name)
	}
	return t, err
}

// backups describes the continuous backups of a table.
func (t *table) backups(now time.Time) *types.ContinuousBackupsDescription {
	p := &types.PointInTimeRecoveryDescription{PointInTimeRecoveryStatus: types.PointInTimeRecoveryStatusDisabled}
	if t.RecoverySince != nil {
		p.PointInTimeRecoveryStatus = types.PointInTimeRecoveryStatusEnabled
		p.RecoveryPeriodInDays = &t.RecoveryDays
		oldest := now.UTC().AddDate(0, 0, -int(t.RecoveryDays))
		if t.RecoverySince.After(oldest) {
			oldest = *t.RecoverySince
		}
		p.EarliestRestorableDateTime, p.LatestRestorableDateTime = &oldest, new(now.UTC())
	}
	return &types.ContinuousBackupsDescription{ContinuousBackupsStatus: types.ContinuousBackupsStatusEnabled, PointInTimeRecoveryDescription: p}
}

func (d *DynamoDB) describeContinuousBackups(_ context.Context, r *service.Request, in *api.DescribeContinuousBackupsInput) (*api.DescribeContinuousBackupsOutput, error) {
	out := &api.DescribeContinuousBackupsOutput{}
	err := d.st.View(func(tx *store.Tx) error {
		t, err := findBackedUp(tx, r, in.TableName)
		if err == nil {
			out.ContinuousBackupsDescription = t.backups(r.Now)
		}
		return err
	})
	return out, err
}

func (d *DynamoDB) updateContinuousBackups(_ context.Context, r *service.Request, in *api.UpdateContinuousBackupsInput) (*api.UpdateContinuousBackupsOutput, error) {
	spec := in.PointInTimeRecoverySpecification
	days := int32(defaultRecoveryDays)
	if spec.RecoveryPeriodInDays != nil {
		days = *spec.RecoveryPeriodInDays
	}
	out := &api.UpdateContinuousBackupsOutput{}
	err := d.st.Update(func(tx *store.Tx) error {
		t, err := findBackedUp(tx, r, in.TableName)
		if err != nil {
			return err
		}
		t = t.edit()
		switch {
		case !aws.ToBool(spec.PointInTimeRecoveryEnabled):
			t.RecoverySince, t.RecoveryDays = nil, 0
		case t.RecoverySince == nil:
			t.RecoverySince, t.RecoveryDays = new(r.Now.UTC().Truncate(time.Millisecond)), days
		case spec.RecoveryPeriodInDays != nil:
			t.RecoveryDays = days
		}
		t.save(tx)
		out.ContinuousBackupsDescription = t.backups(r.Now)
		return nil
	})
	return out, err
}

// Tags.

// maxTags is the number of tags of a table.
const maxTags = 50

// mergeTags returns the tags with others added or replaced.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Tagging.html
func mergeTags(old, add []types.Tag) ([]types.Tag, error) {
	out := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range add {
		switch {
		case seen[*t.Key]:
			return nil, badValues("Tag keys must be unique: %s", *t.Key)
		case strings.HasPrefix(strings.ToLower(*t.Key), "aws:"):
			return nil, badValues("Tag keys must not begin with aws: %s", *t.Key)
		}
		seen[*t.Key] = true
		i := slices.IndexFunc(out, func(o types.Tag) bool { return *o.Key == *t.Key })
		if i < 0 {
			out = append(out, t)
		} else {
			out[i] = t
		}
	}
	if len(out) > maxTags {
		return nil, invalid("One or more parameter values were invalid: Too many tags: a resource has at most %d", maxTags)
	}
	return out, nil
}

func (d *DynamoDB) tagResourceChecks(r *service.Request, in *api.TagResourceInput) (checks, error) {
	return d.onResource(r, "TagResource", in.ResourceArn, requestTags(in.Tags)...)
}

func (d *DynamoDB) untagResourceChecks(r *service.Request, in *api.UntagResourceInput) (checks, error) {
	return d.onResource(r, "UntagResource", in.ResourceArn, tagKeys(in.TagKeys)...)
}

func (d *DynamoDB) listTagsChecks(r *service.Request, in *api.ListTagsOfResourceInput) (checks, error) {
	return d.onResource(r, "ListTagsOfResource", in.ResourceArn)
}

// tagged finds the table that a ResourceArn names.
func tagged(tx *store.Tx, r *service.Request, arn *string) (*table, error) {
	ref, err := resource(r, arn)
	if err != nil {
		return nil, err
	}
	t, ok := tables.Get(tx, ref.key())
	if !ok {
		// Spelled as AWS spells it.
		return nil, fail("ResourceNotFoundException", "Requested resource not found: ResourcArn: %s not found", ref.arn())
	}
	return t, nil
}

func (d *DynamoDB) tagResource(_ context.Context, r *service.Request, in *api.TagResourceInput) (*api.TagResourceOutput, error) {
	err := d.st.Update(func(tx *store.Tx) error {
		t, err := tagged(tx, r, in.ResourceArn)
		if err != nil {
			return err
		}
		t = t.edit()
		if t.Tags, err = mergeTags(t.Tags, in.Tags); err == nil {
			t.save(tx)
		}
		return err
	})
	return &api.TagResourceOutput{}, err
}

func (d *DynamoDB) untagResource(_ context.Context, r *service.Request, in *api.UntagResourceInput) (*api.UntagResourceOutput, error) {
	err := d.st.Update(func(tx *store.Tx) error {
		t, err := tagged(tx, r, in.ResourceArn)
		if err != nil {
			return err
		}
		t = t.edit()
		t.Tags = slices.DeleteFunc(slices.Clone(t.Tags), func(tag types.Tag) bool { return slices.Contains(in.TagKeys, *tag.Key) })
		t.save(tx)
		return nil
	})
	return &api.UntagResourceOutput{}, err
}

// listTagsOfResource answers all tags on one page; there are at most 50.
func (d *DynamoDB) listTagsOfResource(_ context.Context, r *service.Request, in *api.ListTagsOfResourceInput) (*api.ListTagsOfResourceOutput, error) {
	out := &api.ListTagsOfResourceOutput{}
	err := d.st.View(func(tx *store.Tx) error {
		t, err := tagged(tx, r, in.ResourceArn)
		if err == nil {
			out.Tags = append([]types.Tag{}, t.Tags...)
		}
		return err
	})
	return out, err
}
