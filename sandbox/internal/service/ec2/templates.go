package ec2

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
	"github.com/mantle-iam/mantle/sandbox/internal/wire"
)

// Launch templates: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-launch-templates.html

const templateText = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789()./_-"

// convert copies a value into a type whose fields have the same names: what
// a template is given, what it shows, and what RunInstances takes differ in
// their type names only.
func convert(from, to any) error {
	b, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("launch template data: %w", err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("launch template data: %w", err)
	}
	return nil
}

// templateData checks the data of a template and turns it into what answers
// show. EC2 checks form, not whether things exist.
func templateData(in *types.RequestLaunchTemplateData) (out types.ResponseLaunchTemplateData, err error) {
	if in == nil {
		return out, lacking("LaunchTemplateData")
	}
	if reflect.ValueOf(*in).IsZero() {
		return out, wire.Fail("MissingParameter", 400, "The request must contain the parameter LaunchTemplateData with at least one member")
	}
	if in.ImageId != nil && !strings.HasPrefix(*in.ImageId, "resolve:ssm:") {
		if err := imageNoun.checkID(*in.ImageId); err != nil {
			return out, err
		}
	}
	if p := in.IamInstanceProfile; p != nil && p.Name != nil && p.Arn != nil {
		return out, combination("The parameters iamInstanceProfile.name and iamInstanceProfile.arn may not be used together")
	}
	for _, t := range in.TagSpecifications {
		if err := checkTags(t.Tags); err != nil {
			return out, err
		}
	}
	return out, convert(in, &out)
}

func (c *call) createTemplate(in *api.CreateLaunchTemplateInput) (*api.CreateLaunchTemplateOutput, error) {
	name := aws.ToString(in.LaunchTemplateName)
	if len(name) < 3 || len(name) > 128 || strings.Trim(name, templateText) != "" {
		return nil, wire.Fail("InvalidLaunchTemplateName.MalformedException", 400, "The launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _")
	}
	tags, err := specified(in.TagSpecifications, types.ResourceTypeLaunchTemplate)
	if err != nil {
		return nil, err
	}
	data, err := templateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	if _, err := c.template(nil, &name); err == nil {
		return nil, wire.Fail("InvalidLaunchTemplateName.AlreadyExistsException", 400, "Launch template name already in use.")
	}
	t := templateRow{ID: newID("lt"), Name: name, CreatedBy: c.creator(), Created: c.now, Default: 1, Latest: 1}
	templates.Put(c.tx, c.key(t.ID), t)
	c.putVersion(t, versionRow{Number: 1, Description: aws.ToString(in.VersionDescription), CreatedBy: t.CreatedBy, Created: c.now, Data: data})
	if err := c.tag(t.ID, tags); err != nil {
		return nil, err
	}
	return &api.CreateLaunchTemplateOutput{LaunchTemplate: new(c.templateView(t))}, nil
}

// creator is the principal that answers name as the maker of a template.
func (c *call) creator() string {
	if c.caller != "" {
		return c.caller
	}
	return "arn:" + c.partition + ":iam::" + c.account + ":root"
}

func versionKey(id string, n int64) string { return fmt.Sprintf("%s/%010d", id, n) }

func (c *call) putVersion(t templateRow, v versionRow) {
	versions.Put(c.tx, c.key(versionKey(t.ID, v.Number)), v)
}

// versionsOf are the versions of a template, oldest first.
func (c *call) versionsOf(t templateRow) []versionRow {
	var out []versionRow
	for _, v := range versions.Range(c.tx, c.key(t.ID+"/")) {
		out = append(out, v)
	}
	return out
}

func (c *call) templateView(t templateRow) types.LaunchTemplate {
	return types.LaunchTemplate{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, CreatedBy: &t.CreatedBy, CreateTime: &t.Created,
		DefaultVersionNumber: &t.Default, LatestVersionNumber: &t.Latest, Tags: c.tags(t.ID),
	}
}

func versionView(t templateRow, v versionRow) types.LaunchTemplateVersion {
	return types.LaunchTemplateVersion{
		LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &v.Number, VersionDescription: optional(v.Description),
		CreatedBy: &v.CreatedBy, CreateTime: &v.Created, DefaultVersion: new(v.Number == t.Default), LaunchTemplateData: &v.Data,
	}
}

// template finds a launch template by id or name; exactly one must be given.
func (c *call) template(id, name *string) (templateRow, error) {
	switch {
	case id != nil && name != nil:
		return templateRow{}, combination("The parameters LaunchTemplateId and LaunchTemplateName may not be used together")
	case id != nil:
		if err := templateNoun.checkID(*id); err != nil {
			return templateRow{}, err
		}
		t, ok := get(c, templates, *id)
		if !ok {
			return t, templateNoun.gone(*id)
		}
		return t, nil
	case name != nil:
		for _, t := range templates.Range(c.tx, c.scope()) {
			if t.Name == *name {
				return t, nil
			}
		}
		return templateRow{}, wire.Fail("InvalidLaunchTemplateName.NotFoundException", 400, "The specified launch template, with template name %s, does not exist.", *name)
	}
	return templateRow{}, lacking("LaunchTemplateId")
}

// version finds a version by number, "$Latest" or "$Default"; "" is the
// default one.
func (c *call) version(t templateRow, which string) (versionRow, error) {
	n := t.Default
	switch which {
	case "", "$Default":
	case "$Latest":
		n = t.Latest
	default:
		var err error
		if n, err = strconv.ParseInt(which, 10, 64); err != nil {
			return versionRow{}, invalid("Value (%s) for parameter LaunchTemplateVersion is invalid. It must be a number, $Latest or $Default.", which)
		}
	}
	v, ok := get(c, versions, versionKey(t.ID, n))
	if !ok {
		return v, wire.Fail("InvalidLaunchTemplateId.VersionNotFound", 400, "Could not find the specified version %s for the launch template with ID %s.", which, t.ID)
	}
	return v, nil
}

// onTemplate checks a launch template by id or name.
func (c *call) onTemplate(id, name *string, keys ...service.KV) []service.Check {
	which := aws.ToString(id)
	if t, err := c.template(id, name); err == nil {
		which = t.ID
	} else if which == "" {
		which = "*"
	}
	return []service.Check{c.check(templateNoun, which, keys...)}
}

func (c *call) mayCreateVersion(in *api.CreateLaunchTemplateVersionInput) ([]service.Check, error) {
	return c.onTemplate(in.LaunchTemplateId, in.LaunchTemplateName), nil
}

// createVersion makes the next version; what it leaves out is taken from the
// source version, if there is one.
func (c *call) createVersion(in *api.CreateLaunchTemplateVersionInput) (*api.CreateLaunchTemplateVersionOutput, error) {
	t, err := c.template(in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	data, err := templateData(in.LaunchTemplateData)
	if err != nil {
		return nil, err
	}
	if in.SourceVersion != nil {
		source, err := c.version(t, *in.SourceVersion)
		if err != nil {
			return nil, err
		}
		base := source.Data
		overlay(&base, &data)
		data = base
	}
	t.Latest++
	v := versionRow{Number: t.Latest, Description: aws.ToString(in.VersionDescription), CreatedBy: c.creator(), Created: c.now, Data: data}
	c.putVersion(t, v)
	templates.Put(c.tx, c.key(t.ID), t)
	return &api.CreateLaunchTemplateVersionOutput{LaunchTemplateVersion: new(versionView(t, v))}, nil
}

// overlay sets the fields of base that are set in over; both point to
// structs of the same type.
func overlay[T any](base, over *T) {
	to, from := reflect.ValueOf(base).Elem(), reflect.ValueOf(over).Elem()
	for i := range from.NumField() {
		if f := from.Field(i); to.Field(i).CanSet() && !f.IsZero() {
			to.Field(i).Set(f)
		}
	}
}

func (c *call) mayModifyTemplate(in *api.ModifyLaunchTemplateInput) ([]service.Check, error) {
	return c.onTemplate(in.LaunchTemplateId, in.LaunchTemplateName, attribute("DefaultVersion", aws.ToString(in.DefaultVersion))...), nil
}

func (c *call) modifyTemplate(in *api.ModifyLaunchTemplateInput) (*api.ModifyLaunchTemplateOutput, error) {
	t, err := c.template(in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	v, err := c.version(t, aws.ToString(in.DefaultVersion))
	if err != nil {
		return nil, err
	}
	t.Default = v.Number
	templates.Put(c.tx, c.key(t.ID), t)
	return &api.ModifyLaunchTemplateOutput{LaunchTemplate: new(c.templateView(t))}, nil
}

func (c *call) mayDeleteTemplate(in *api.DeleteLaunchTemplateInput) ([]service.Check, error) {
	return c.onTemplate(in.LaunchTemplateId, in.LaunchTemplateName), nil
}

func (c *call) deleteTemplate(in *api.DeleteLaunchTemplateInput) (*api.DeleteLaunchTemplateOutput, error) {
	t, err := c.template(in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	view := c.templateView(t)
	for _, v := range c.versionsOf(t) {
		versions.Delete(c.tx, c.key(versionKey(t.ID, v.Number)))
	}
	templates.Delete(c.tx, c.key(t.ID))
	c.forget(t.ID)
	return &api.DeleteLaunchTemplateOutput{LaunchTemplate: &view}, nil
}

func (c *call) mayDeleteVersions(in *api.DeleteLaunchTemplateVersionsInput) ([]service.Check, error) {
	return c.onTemplate(in.LaunchTemplateId, in.LaunchTemplateName), nil
}

func (c *call) deleteVersions(in *api.DeleteLaunchTemplateVersionsInput) (*api.DeleteLaunchTemplateVersionsOutput, error) {
	t, err := c.template(in.LaunchTemplateId, in.LaunchTemplateName)
	if err != nil {
		return nil, err
	}
	out := &api.DeleteLaunchTemplateVersionsOutput{
		SuccessfullyDeletedLaunchTemplateVersions:   []types.DeleteLaunchTemplateVersionsResponseSuccessItem{},
		UnsuccessfullyDeletedLaunchTemplateVersions: []types.DeleteLaunchTemplateVersionsResponseErrorItem{},
	}
	for _, which := range in.Versions {
		v, err := c.version(t, which)
		if err == nil && v.Number == t.Default {
			return nil, invalid("Cannot delete version %d of launch template %s: it is the default version", v.Number, t.ID)
		}
		if err != nil {
			n, _ := strconv.ParseInt(which, 10, 64)
			out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions, types.DeleteLaunchTemplateVersionsResponseErrorItem{
				LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &n,
				ResponseError: &types.ResponseError{Code: types.LaunchTemplateErrorCodeLaunchTemplateVersionDoesNotExist, Message: new("Could not find the specified version.")},
			})
			continue
		}
		versions.Delete(c.tx, c.key(versionKey(t.ID, v.Number)))
		out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions, types.DeleteLaunchTemplateVersionsResponseSuccessItem{
			LaunchTemplateId: &t.ID, LaunchTemplateName: &t.Name, VersionNumber: &v.Number,
		})
	}
	if left := c.versionsOf(t); len(left) > 0 {
		t.Latest = left[len(left)-1].Number
		templates.Put(c.tx, c.key(t.ID), t)
	}
	return out, nil
}

var templateFields = fields[types.LaunchTemplate]{
	"create-time": func(t types.LaunchTemplate) []string {
		return []string{t.CreateTime.Format("2006-01-02T15:04:05.000Z")}
	},
	"launch-template-name": func(t types.LaunchTemplate) []string { return str(t.LaunchTemplateName) },
}

func (c *call) describeTemplates(in *api.DescribeLaunchTemplatesInput) (*api.DescribeLaunchTemplatesOutput, error) {
	var views []types.LaunchTemplate
	for _, t := range all(c, templates) {
		views = append(views, c.templateView(t))
	}
	for _, name := range in.LaunchTemplateNames {
		if _, err := c.template(nil, &name); err != nil {
			return nil, err
		}
	}
	if len(in.LaunchTemplateNames) > 0 {
		views = slices.DeleteFunc(views, func(t types.LaunchTemplate) bool {
			return !slices.Contains(in.LaunchTemplateNames, *t.LaunchTemplateName)
		})
	}
	id := func(t types.LaunchTemplate) string { return *t.LaunchTemplateId }
	views, err := pick(views, in.LaunchTemplateIds, templateNoun, id)
	if err != nil {
		return nil, err
	}
	if views, err = filter(views, in.Filters, templateFields, func(t types.LaunchTemplate) []types.Tag { return t.Tags }); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, id)
	if err != nil {
		return nil, err
	}
	return &api.DescribeLaunchTemplatesOutput{LaunchTemplates: page, NextToken: next}, nil
}

var versionFields = fields[types.LaunchTemplateVersion]{
	"image-id":           func(v types.LaunchTemplateVersion) []string { return str(v.LaunchTemplateData.ImageId) },
	"instance-type":      func(v types.LaunchTemplateVersion) []string { return enum(v.LaunchTemplateData.InstanceType) },
	"is-default-version": func(v types.LaunchTemplateVersion) []string { return flag(v.DefaultVersion) },
	"iam-instance-profile": func(v types.LaunchTemplateVersion) []string {
		if p := v.LaunchTemplateData.IamInstanceProfile; p != nil {
			return append(str(p.Name), str(p.Arn)...)
		}
		return nil
	},
}

func (c *call) describeVersions(in *api.DescribeLaunchTemplateVersionsInput) (*api.DescribeLaunchTemplateVersionsOutput, error) {
	var list []templateRow
	if in.LaunchTemplateId == nil && in.LaunchTemplateName == nil {
		if slices.ContainsFunc(in.Versions, func(v string) bool { return !strings.HasPrefix(v, "$") }) || len(in.Versions) == 0 {
			return nil, lacking("LaunchTemplateId")
		}
		list = all(c, templates)
	} else {
		t, err := c.template(in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return nil, err
		}
		list = []templateRow{t}
	}
	low, high, err := versionRange(in.MinVersion, in.MaxVersion)
	if err != nil {
		return nil, err
	}
	var views []types.LaunchTemplateVersion
	for _, t := range list {
		of := c.versionsOf(t)
		if len(in.Versions) > 0 {
			of = nil
			for _, which := range in.Versions {
				v, err := c.version(t, which)
				if err != nil {
					return nil, err
				}
				of = append(of, v)
			}
		}
		for _, v := range of {
			if v.Number >= low && v.Number <= high {
				views = append(views, versionView(t, v))
			}
		}
	}
	key := func(v types.LaunchTemplateVersion) string { return versionKey(*v.LaunchTemplateId, *v.VersionNumber) }
	sortBy(views, key)
	views = slices.CompactFunc(views, func(a, b types.LaunchTemplateVersion) bool { return key(a) == key(b) })
	if views, err = filter(views, in.Filters, versionFields, nil); err != nil {
		return nil, err
	}
	page, next, err := paginate(views, in.MaxResults, in.NextToken, key)
	if err != nil {
		return nil, err
	}
	return &api.DescribeLaunchTemplateVersionsOutput{LaunchTemplateVersions: page, NextToken: next}, nil
}

func versionRange(low, high *string) (from, to int64, err error) {
	from, to = 1, 1<<62
	for _, p := range []struct {
		text *string
		n    *int64
	}{{low, &from}, {high, &to}} {
		if p.text == nil {
			continue
		}
		if *p.n, err = strconv.ParseInt(*p.text, 10, 64); err != nil {
			return 0, 0, invalid("Value (%s) for parameter version is invalid. It must be a number.", *p.text)
		}
	}
	return from, to, nil
}
