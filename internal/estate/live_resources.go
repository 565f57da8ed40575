package estate

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/mantle-iam/mantle/iam"
)

// none reports whether an error says that there is no policy.
func none(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch api.ErrorCode() {
	case "NoSuchBucketPolicy", "PolicyNotFoundException", "RepositoryPolicyNotFoundException", "ServerSideEncryptionConfigurationNotFoundError":
		return true
	}
	return false
}

func (l *live) buckets(ctx context.Context) error {
	c := s3.NewFromConfig(l.cfg, func(o *s3.Options) { o.UsePathStyle = l.o.PathStyle })
	pages := s3.NewListBucketsPaginator(c, &s3.ListBucketsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, b := range page.Buckets {
			name := aws.ToString(b.Name)
			x := Resource{ARN: "arn:" + l.partition + ":s3:::" + name, Account: l.id, Type: "s3:bucket"}
			in := func(o *s3.Options) {
				if region := aws.ToString(b.BucketRegion); region != "" && !l.o.PathStyle {
					o.Region = region
				}
			}
			switch policy, err := c.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b.Name}, in); {
			case err == nil:
				x.Policy = l.document(iam.Resource, "policy of "+x.ARN, aws.ToString(policy.Policy), x.ARN)
			case !none(err):
				l.missing("the policy of bucket "+name, err, x.ARN)
			}
			switch enc, err := c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: b.Name}, in); {
			case err == nil && enc.ServerSideEncryptionConfiguration != nil:
				for _, r := range enc.ServerSideEncryptionConfiguration.Rules {
					if d := r.ApplyServerSideEncryptionByDefault; d != nil && d.SSEAlgorithm == s3types.ServerSideEncryptionAwsKms {
						x.Key = aws.ToString(d.KMSMasterKeyID)
					}
				}
			case err != nil && !none(err):
				l.missing("the encryption of bucket "+name, err)
			}
			l.e.Resources = append(l.e.Resources, x)
		}
	}
	return nil
}

func (l *live) tables(ctx context.Context) error {
	c := dynamodb.NewFromConfig(l.cfg)
	pages := dynamodb.NewListTablesPaginator(c, &dynamodb.ListTablesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, name := range page.TableNames {
			x := Resource{ARN: fmt.Sprintf("arn:%s:dynamodb:%s:%s:table/%s", l.partition, l.cfg.Region, l.id, name), Account: l.id, Type: "dynamodb:table"}
			if t, err := c.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name}); err == nil && t.Table != nil {
				x.ARN = aws.ToString(t.Table.TableArn)
				if d := t.Table.SSEDescription; d != nil && d.SSEType == dynamodbtypes.SSETypeKms {
					x.Key = aws.ToString(d.KMSMasterKeyArn)
				}
			} else if err != nil {
				l.missing("table "+name, err)
			}
			switch policy, err := c.GetResourcePolicy(ctx, &dynamodb.GetResourcePolicyInput{ResourceArn: &x.ARN}); {
			case err == nil:
				x.Policy = l.document(iam.Resource, "policy of "+x.ARN, aws.ToString(policy.Policy), x.ARN)
			case !none(err):
				l.missing("the policy of table "+name, err, x.ARN)
			}
			l.e.Resources = append(l.e.Resources, x)
		}
	}
	return nil
}

func (l *live) repositories(ctx context.Context) error {
	c := ecr.NewFromConfig(l.cfg)
	pages := ecr.NewDescribeRepositoriesPaginator(c, &ecr.DescribeRepositoriesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, r := range page.Repositories {
			x := Resource{ARN: aws.ToString(r.RepositoryArn), Account: l.id, Type: "ecr:repository"}
			if r.EncryptionConfiguration != nil {
				x.Key = aws.ToString(r.EncryptionConfiguration.KmsKey)
			}
			switch policy, err := c.GetRepositoryPolicy(ctx, &ecr.GetRepositoryPolicyInput{RepositoryName: r.RepositoryName}); {
			case err == nil:
				x.Policy = l.document(iam.Resource, "policy of "+x.ARN, aws.ToString(policy.PolicyText), x.ARN)
			case !none(err):
				l.missing("the policy of repository "+aws.ToString(r.RepositoryName), err, x.ARN)
			}
			l.e.Resources = append(l.e.Resources, x)
		}
	}
	return nil
}

// use notes the use of a role, if there is one.
func (l *live) use(role, kind, name string) {
	if role != "" {
		l.e.Uses = append(l.e.Uses, Use{Role: role, Kind: kind, Name: name, Account: l.id})
	}
}

// tasks reads the newest active revision of each family: services and tasks of
// older ones are read with the services.
func (l *live) tasks(ctx context.Context) error {
	c := ecs.NewFromConfig(l.cfg)
	families := ecs.NewListTaskDefinitionFamiliesPaginator(c, &ecs.ListTaskDefinitionFamiliesInput{Status: ecstypes.TaskDefinitionFamilyStatusActive})
	for families.HasMorePages() {
		page, err := families.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, family := range page.Families {
			if err := l.task(ctx, c, family); err != nil {
				return err
			}
		}
	}
	return nil
}

// task reads one task definition, by family or ARN.
func (l *live) task(ctx context.Context, c *ecs.Client, name string) error {
	d, err := c.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name})
	if err != nil || d.TaskDefinition == nil {
		return err
	}
	t := d.TaskDefinition
	full := fmt.Sprintf("%s:%d", aws.ToString(t.Family), t.Revision)
	for _, u := range l.e.Uses {
		if u.Name == full && strings.HasSuffix(u.Kind, "role") {
			return nil
		}
	}
	l.use(aws.ToString(t.TaskRoleArn), "task role", full)
	l.use(aws.ToString(t.ExecutionRoleArn), "execution role", full)
	return nil
}

func (l *live) services(ctx context.Context) error {
	c := ecs.NewFromConfig(l.cfg)
	clusters := ecs.NewListClustersPaginator(c, &ecs.ListClustersInput{})
	for clusters.HasMorePages() {
		page, err := clusters.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, cluster := range page.ClusterArns {
			services := ecs.NewListServicesPaginator(c, &ecs.ListServicesInput{Cluster: &cluster, MaxResults: aws.Int32(10)})
			for services.HasMorePages() {
				list, err := services.NextPage(ctx)
				if err != nil {
					return err
				}
				if len(list.ServiceArns) == 0 {
					continue
				}
				// DescribeServices takes ten at a time.
				d, err := c.DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: &cluster, Services: list.ServiceArns})
				if err != nil {
					return err
				}
				for _, s := range d.Services {
					l.use(aws.ToString(s.RoleArn), "service", aws.ToString(s.ServiceName))
					if arn := aws.ToString(s.TaskDefinition); arn != "" {
						if err := l.task(ctx, c, arn); err != nil {
							return err
						}
					}
				}
			}
		}
	}
	return nil
}

func (l *live) instances(ctx context.Context) error {
	c := ec2.NewFromConfig(l.cfg)
	pages := ec2.NewDescribeInstancesPaginator(c, &ec2.DescribeInstancesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				if i.State != nil && i.State.Name == "terminated" {
					continue
				}
				if p := i.IamInstanceProfile; p != nil {
					l.use(l.roleOfProfile[aws.ToString(p.Arn)], "instance", aws.ToString(i.InstanceId))
				}
			}
		}
	}
	templates := ec2.NewDescribeLaunchTemplateVersionsPaginator(c, &ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Default"}})
	for templates.HasMorePages() {
		page, err := templates.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, v := range page.LaunchTemplateVersions {
			if v.LaunchTemplateData == nil || v.LaunchTemplateData.IamInstanceProfile == nil {
				continue
			}
			p := v.LaunchTemplateData.IamInstanceProfile
			role := l.roleOfProfile[aws.ToString(p.Arn)]
			if role == "" {
				role = l.roleOfProfile[aws.ToString(p.Name)]
			}
			l.use(role, "launch template", aws.ToString(v.LaunchTemplateName))
		}
	}
	return nil
}
