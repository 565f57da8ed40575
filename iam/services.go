package iam

import "strings"

// rcpCovers reports whether resource control policies reach the action: they work
// for the services on the list of the Organizations User Guide ("List of AWS
// services that support RCPs", 2026), and never for kms:RetireGrant.
func rcpCovers(action string) bool {
	service := actionService(action)
	if foldEqual("kms", service) {
		return !foldEqual("kms:retiregrant", action)
	}
	for s := range strings.FieldsSeq(rcpServices) {
		if foldEqual(s, service) {
			return true
		}
	}
	return false
}

// rcpServices are action prefixes.
const rcpServices = `
aoss appconfig appstream autoscaling autoscaling-plans budgets clouddirectory cloudfront cloudsearch cloudtrail-data
codeartifact codebuild codecommit codepipeline cognito-identity cognito-idp comprehend comprehendmedical compute-optimizer
cost-optimization-hub dax dsql dynamodb ecr ecr-public events firehose fis fms gamelift health inspector-scan kendra
kinesisvideo kms logs memorydb networkmonitor notifications opensearch pca-connector-ad personalize polly pricing
resource-groups rolesanywhere s3 secretsmanager servicediscovery signin sqs sts support swf textract timestream-influxdb
transcribe transfer translate wafv2 workspaces xray
`

// knownService reports whether s is the principal name of an AWS service. Region
// names and partition suffixes are allowed where AWS allows them:
// logs.eu-west-1.amazonaws.com, ec2.amazonaws.com.cn.
func knownService(s string) bool {
	name, ok := strings.CutSuffix(s, ".amazonaws.com")
	if !ok {
		if name, ok = strings.CutSuffix(s, ".amazonaws.com.cn"); !ok {
			return false
		}
	}
	if serviceListed(name, servicePrincipals) {
		return true
	}
	i := strings.LastIndexByte(name, '.')
	return i > 0 && isRegion(name[i+1:]) && serviceListed(name[:i], servicePrincipals)
}

func serviceListed(s, list string) bool {
	for name := range strings.FieldsSeq(list) {
		if name == s {
			return true
		}
	}
	return false
}

// isRegion reports whether s looks like a region: us-east-1, ap-southeast-2,
// us-gov-west-1.
func isRegion(s string) bool {
	f := strings.Split(s, "-")
	if len(f) < 3 || len(f) > 4 || len(f[0]) > 4 {
		return false
	}
	last := f[len(f)-1]
	return len(last) == 1 && digits(last)
}

// servicePrincipals are the names that come before .amazonaws.com. AWS publishes
// no list; these are the ones that its documentation tells users to trust.
const servicePrincipals = `
a4b access-analyzer account acm acm-pca airflow airflow-env airflow-serverless amazonmq amplify amplifybackend aoss apidestinations.events apigateway
appconfig appfabric appflow appintegrations application-autoscaling application-insights application-signals.cloudwatch
application-transformation applicationinsights appmesh appmesh.preview apprunner appstream appstream.application-autoscaling
appsync aps arc-zonal-shift arc-region-switch athena auditmanager automation autoscaling autoscaling-plans aws-artifact-account-sync
 b2bi backup backup-gateway backup-storage batch bedrock bedrock-agentcore billing braket build.apprunner budgets
ce channels.lex chatbot chime cleanrooms cleanrooms-ml cloud9 clouddirectory cloudformation cloudfront cloudhsm cloudsearch cloudtrail
cloudwatch cloudwatch-crossaccount codeartifact codebuild codecatalyst codecatalyst-runner codecommit codeconnections codedeploy codeguru-profiler codeguru-reviewer codepipeline
codestar codestar-connections codestar-notifications codewhisperer cognito-identity cognito-idp cognito-sync comprehend compute-optimizer
config config-conforms config-multiaccountsetup connect connect-campaigns connector.inspector continuousexport.discovery controltower
cost-optimization-hub costalerts credentials.iot custom-resource.application-autoscaling customer-profiles
databrew dataexchange datapipeline datasync datazone dax deadline deepracer delivery.logs detective devicefarm devops-guru diode directconnect
discovery dlm dms docdb-elastic drs ds dynamodb dynamodb.application-autoscaling
ec2 ec2-instance-connect ec2.application-autoscaling ec2fleet ec2scheduled ecr ecr-public ecs ecs-tasks ecs.application-autoscaling edgelambda
eks eks-connector eks-fargate eks-fargate-pods eks-nodegroup elasticache elasticache.application-autoscaling elasticbeanstalk elasticfilesystem
elasticloadbalancing elasticmapreduce elastictranscoder email-pdp.ses emr-containers emr-serverless enhanced-health.elasticbeanstalk entityresolution events evidently
evs export.rds finspace finspace-databrew firehose fis fms forecast frauddetector freertos fsx gamelift geo glacier glue grafana greengrass groundstation
guardduty health healthlake honeycode iam iam-roles-anywhere identitystore imagebuilder importexport inspector inspector2 internetmonitor
internal.iot invoicing iot iot1click iotanalytics iotdeviceadvisor iotevents iotfleethub iotfleetwise iotroborunner iotsitewise iotthingsgraph iottwinmaker iotwireless
ivs ivschat kafka kafkaconnect kendra kinesis kinesisanalytics kinesisvideo kms lakeformation lambda lakeformation.application-autoscaling launchwizard lex lex.channels lexv2
license-manager license-manager.master-account license-manager.member-account lightsail logdelivery.elasticloadbalancing logger.cloudfront logs lookoutequipment lookoutmetrics lookoutvision
m2 macie macie2 malware-protection.guardduty malware-protection-plan.guardduty managedblockchain managedservices management.chatbot marketplace marketplacecommerceanalytics mediaconnect
mediaconvert medialive mediapackage mediapackagev2 mediastore mediatailor member.org.stacksets.cloudformation memorydb memorydb.application-autoscaling messaging-sms mgn
migrationhub migrationhub-orchestrator migrationhub-strategy mobileanalytics mobilehub monitoring mq neptune neptune-graph network-firewall networkflowmonitor networkmanager nimble notifications
oam observabilityadmin omics opensearchservice opensearchservice.application-autoscaling ops.apigateway opsdatasync.ssm opsworks opsworks-cm organizations osis outposts
panorama partnercentral parallelcluster payments pca-connector-ad pcs personalize pinpoint pipes pods.eks polly pricing proton q qbusiness qldb quicksight
ram rbin rds rds.application-autoscaling redshift redshift-data redshift-serverless redshift-serverless.application-autoscaling refactor-spaces rekognition replicator.lambda replication.dynamodb
replication.ecr repostspace resiliencehub resource-explorer-2 resource-groups robomaker rolesanywhere route53 route53-application-recovery-control route53-recovery-readiness
route53domains route53profiles route53resolver rum s3 s3-object-lambda s3-outposts s3express s3tables sagemaker sagemaker.application-autoscaling sagemaker-geospatial savingsplans scheduler schemas sdb secretsmanager
security-ir security-lake securityhub securitylake serverlessrepo servicecatalog servicecatalog-appregistry servicediscovery servicequotas ses shield signer signin simpleworkflow
simspaceweaver sms sms-voice snow-device-management snowball sns socialmessaging spot spotfleet sqs ssm ssm-contacts ssm-incidents ssm-quicksetup ssm-sap sso sso-oauth states
stacksets.cloudformation storage-lens.s3 storagegateway streams.metrics.cloudwatch sts sumerian support supportplans swf synthetics tagging tagpolicies.tag tnb
tasks.apprunner timestream timestream-influxdb transcribe transcribe.streaming transfer transitgateway translate trustedadvisor user-subscriptions verified-access verifiedpermissions verified-permissions
voiceid vmie vpc-flow-logs vpc-lattice vpce waf waf-regional wafv2 wellarchitected wickr wisdom workdocs worklink workmail workspaces workspaces-web workspaces-thin-client
workspaces.application-autoscaling xray cassandra.application-autoscaling comprehend.application-autoscaling kafka.application-autoscaling elasticmapreduce.application-autoscaling
elasticmapreduce-serverless ops.emr-serverless contributorinsights.dynamodb kinesisreplication.dynamodb globaltables.dynamodb restore.dynamodb sso-directory cloudtrail-lake
`
