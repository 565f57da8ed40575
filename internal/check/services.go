package check

import (
	"slices"
	"strings"
)

// servicePrincipals are principals of AWS services that people write in trust
// and resource policies. The list is not whole: a name that is not in it is
// wrong only if it nearly is one that is.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
var servicePrincipals = strings.Fields(`
access-analyzer acm-pca airflow airflow-env amplify apigateway app-integrations appflow application-autoscaling
apprunner appstream appsync athena auditmanager autoscaling autoscaling-plans backup batch bedrock
bedrock-agentcore billing budgets build.apprunner cassandra.application-autoscaling chatbot chime cloud9
cloudformation cloudfront cloudtrail cloudwatch codebuild codecommit codedeploy codepipeline codestar
codestar-notifications cognito-idp cognito-sync config config-multiaccountsetup connect costalerts
credentials.iot custom-resource.application-autoscaling databrew dataexchange datapipeline datasync dax delivery.logs
devops-guru directconnect dlm dms ds dynamodb dynamodb.application-autoscaling ec2 ec2scheduled ec2spot
ecr ecs ecs-tasks ecs.application-autoscaling edgelambda eks eks-fargate eks-fargate-pods eks-nodegroup
elasticache elasticbeanstalk elasticfilesystem elasticloadbalancing elasticmapreduce elastictranscoder email
emr-containers emr-serverless es events finspace firehose fis fms forecast fsx gamelift globalaccelerator glue
grafana greengrass guardduty health imagebuilder inspector inspector2 internetmonitor iot iotanalytics iotevents
iotsitewise ivs kafka kafkaconnect kendra kinesis kinesisanalytics kinesisvideo kms lakeformation lambda
lex lexv2 license-manager lightsail logdelivery.elasticloadbalancing logging.s3 logs m2 macie
managedblockchain mediaconvert medialive mediapackage mediastore member.org.stacksets memorydb mgn
monitoring mq network-firewall networkmanager notifications opensearchservice ops.apigateway opsworks organizations
osis personalize pinpoint pipes pods.eks polly ram rds redshift redshift-serverless rekognition
replicator.lambda replication.dynamodb resource-groups robomaker rolesanywhere route53 route53domains
route53resolver s3 s3.data-source.lustre.fsx sagemaker scheduler scheduler.redshift secretsmanager securityhub
serverlessrepo servicecatalog servicediscovery ses shield signer sms-voice sns spot spotfleet sqs ssm
ssm-incidents sso stacksets.cloudformation states storagegateway streams.metrics.cloudwatch sts support
swf synthetics tagpolicies.tag tasks.apprunner textract timestream tops topic transcribe transfer
translate transitgateway trustedadvisor tunneling.iot verified-access vmie voiceid vpc-flow-logs
vpc-lattice waf waf-regional wafv2 wellarchitected workdocs worklink workmail workspaces xray
`)

// mistaken are names that people write and that are near no right one, or
// nearer to a wrong one.
var mistaken = map[string]string{
	"ecs-task":     "ecs-tasks",
	"ecstasks":     "ecs-tasks",
	"ecs-service":  "ecs",
	"ecs.tasks":    "ecs-tasks",
	"ec2-instance": "ec2",
	"lambdas":      "lambda",
	"eks-pods":     "pods.eks",
	"pod.eks":      "pods.eks",
	"stepfunction": "states",
}

// domains are what service principals end in.
var domains = []string{".amazonaws.com.cn", ".amazonaws.com", ".amazon.com", ".aws.internal", ".amazonaws.eu"}

// splitService splits a service principal into its name, without a region, and
// its domain.
func splitService(s string) (name, domain string, ok bool) {
	s = strings.ToLower(s)
	for _, d := range domains {
		if name, ok := strings.CutSuffix(s, d); ok {
			return name, d, true
		}
	}
	return s, "", false
}

// knownService reports whether the principal is one of the list, possibly of
// one region (logs.eu-west-1.amazonaws.com).
func knownService(s string) bool {
	name, _, ok := splitService(s)
	if !ok {
		return false
	}
	if slices.Contains(servicePrincipals, name) {
		return true
	}
	base, region, found := strings.Cut(name, ".")
	return found && slices.Contains(servicePrincipals, base) && strings.Count(region, "-") >= 2
}

// likelyService is the principal that was meant, "" if none is near.
func likelyService(s string) string {
	name, domain, ok := splitService(s)
	if !ok {
		// A service without its domain, or with a slip in it.
		if slices.Contains(servicePrincipals, name) {
			return name + ".amazonaws.com"
		}
		base, rest, found := strings.Cut(name, ".")
		if found && slices.Contains(servicePrincipals, base) && distance(rest, "amazonaws.com", 4) < 4 {
			return base + ".amazonaws.com"
		}
		return ""
	}
	if right, ok := mistaken[name]; ok {
		return right + domain
	}
	if near := nearest(name, servicePrincipals); near != "" && len(name) > 3 {
		return near + domain
	}
	return ""
}
