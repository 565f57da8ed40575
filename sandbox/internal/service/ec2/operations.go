package ec2

import (
	api "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

// Operations is the table of the API, in the order of the files that answer.
func (s *EC2) Operations() []service.Operation {
	return append(append(s.networkOperations(), s.groupOperations()...), append(s.ingredientOperations(), s.instanceOperations()...)...)
}

type tagSpecs = []types.TagSpecification

func (s *EC2) networkOperations() []service.Operation {
	return []service.Operation{
		read(s, "DescribeAvailabilityZones", onAll, (*call).describeAvailabilityZones),
		read(s, "DescribeRegions", onAll, (*call).describeRegions),
		read(s, "DescribeAccountAttributes", onAll, (*call).describeAccountAttributes),

		write(s, "CreateTags", (*call).mayCreateTags, (*call).createTags),
		write(s, "DeleteTags", (*call).mayDeleteTags, (*call).deleteTags),
		read(s, "DescribeTags", onAll, (*call).describeTags),

		write(s, "CreateVpc", making(vpcNoun, func(in *api.CreateVpcInput) tagSpecs { return in.TagSpecifications }), (*call).createVPC),
		write(s, "DeleteVpc", on(vpcNoun, func(in *api.DeleteVpcInput) *string { return in.VpcId }), (*call).deleteVPC),
		read(s, "DescribeVpcs", onAll, (*call).describeVPCs),
		read(s, "DescribeVpcAttribute", on(vpcNoun, func(in *api.DescribeVpcAttributeInput) *string { return in.VpcId }), (*call).describeVPCAttribute),
		write(s, "ModifyVpcAttribute", (*call).mayModifyVPCAttribute, (*call).modifyVPCAttribute),

		write(s, "CreateSubnet", both(
			making(subnetNoun, func(in *api.CreateSubnetInput) tagSpecs { return in.TagSpecifications }),
			on(vpcNoun, func(in *api.CreateSubnetInput) *string { return in.VpcId })), (*call).createSubnet),
		write(s, "DeleteSubnet", on(subnetNoun, func(in *api.DeleteSubnetInput) *string { return in.SubnetId }), (*call).deleteSubnet),
		read(s, "DescribeSubnets", onAll, (*call).describeSubnets),
		write(s, "ModifySubnetAttribute", (*call).mayModifySubnetAttribute, (*call).modifySubnetAttribute),

		write(s, "CreateRouteTable", both(
			making(tableNoun, func(in *api.CreateRouteTableInput) tagSpecs { return in.TagSpecifications }),
			on(vpcNoun, func(in *api.CreateRouteTableInput) *string { return in.VpcId })), (*call).createRouteTable),
		write(s, "DeleteRouteTable", on(tableNoun, func(in *api.DeleteRouteTableInput) *string { return in.RouteTableId }), (*call).deleteRouteTable),
		read(s, "DescribeRouteTables", onAll, (*call).describeRouteTables),
		write(s, "CreateRoute", on(tableNoun, func(in *api.CreateRouteInput) *string { return in.RouteTableId }), (*call).createRoute),
		write(s, "ReplaceRoute", on(tableNoun, func(in *api.ReplaceRouteInput) *string { return in.RouteTableId }), (*call).replaceRoute),
		write(s, "DeleteRoute", on(tableNoun, func(in *api.DeleteRouteInput) *string { return in.RouteTableId }), (*call).deleteRoute),
		write(s, "AssociateRouteTable", (*call).mayAssociateRouteTable, (*call).associateRouteTable),
		write(s, "DisassociateRouteTable", (*call).mayDisassociateRouteTable, (*call).disassociateRouteTable),
		write(s, "ReplaceRouteTableAssociation", (*call).mayReplaceAssociation, (*call).replaceAssociation),

		write(s, "CreateInternetGateway", making(gatewayNoun, func(in *api.CreateInternetGatewayInput) tagSpecs { return in.TagSpecifications }), (*call).createInternetGateway),
		write(s, "DeleteInternetGateway", on(gatewayNoun, func(in *api.DeleteInternetGatewayInput) *string { return in.InternetGatewayId }), (*call).deleteInternetGateway),
		read(s, "DescribeInternetGateways", onAll, (*call).describeInternetGateways),
		write(s, "AttachInternetGateway", both(
			on(gatewayNoun, func(in *api.AttachInternetGatewayInput) *string { return in.InternetGatewayId }),
			on(vpcNoun, func(in *api.AttachInternetGatewayInput) *string { return in.VpcId })), (*call).attachInternetGateway),
		write(s, "DetachInternetGateway", both(
			on(gatewayNoun, func(in *api.DetachInternetGatewayInput) *string { return in.InternetGatewayId }),
			on(vpcNoun, func(in *api.DetachInternetGatewayInput) *string { return in.VpcId })), (*call).detachInternetGateway),

		read(s, "DescribeNetworkAcls", onAll, (*call).describeNetworkACLs),
	}
}

func (s *EC2) groupOperations() []service.Operation {
	return []service.Operation{
		write(s, "CreateSecurityGroup", (*call).mayCreateSecurityGroup, (*call).createSecurityGroup),
		write(s, "DeleteSecurityGroup", (*call).mayDeleteSecurityGroup, (*call).deleteSecurityGroup),
		read(s, "DescribeSecurityGroups", onAll, (*call).describeSecurityGroups),
		write(s, "AuthorizeSecurityGroupIngress", (*call).mayAuthorizeIngress, (*call).authorizeIngress),
		write(s, "AuthorizeSecurityGroupEgress", (*call).mayAuthorizeEgress, (*call).authorizeEgress),
		write(s, "RevokeSecurityGroupIngress", (*call).mayRevokeIngress, (*call).revokeIngress),
		write(s, "RevokeSecurityGroupEgress", (*call).mayRevokeEgress, (*call).revokeEgress),
		read(s, "DescribeSecurityGroupRules", onAll, (*call).describeRules),
		write(s, "ModifySecurityGroupRules", (*call).mayModifyRules, (*call).modifyRules),
	}
}

func (s *EC2) ingredientOperations() []service.Operation {
	return []service.Operation{
		write(s, "ImportKeyPair", (*call).mayImportKeyPair, (*call).importKeyPair),
		write(s, "CreateKeyPair", (*call).mayCreateKeyPair, (*call).createKeyPair),
		read(s, "DescribeKeyPairs", onAll, (*call).describeKeyPairs),
		write(s, "DeleteKeyPair", (*call).mayDeleteKeyPair, (*call).deleteKeyPair),

		read(s, "DescribeImages", onAll, (*call).describeImages),
		read(s, "DescribeInstanceTypes", onAll, (*call).describeInstanceTypes),
		read(s, "DescribeInstanceTypeOfferings", onAll, (*call).describeOfferings),

		write(s, "CreateLaunchTemplate", making(templateNoun, func(in *api.CreateLaunchTemplateInput) tagSpecs { return in.TagSpecifications }), (*call).createTemplate),
		write(s, "CreateLaunchTemplateVersion", (*call).mayCreateVersion, (*call).createVersion),
		write(s, "ModifyLaunchTemplate", (*call).mayModifyTemplate, (*call).modifyTemplate),
		write(s, "DeleteLaunchTemplate", (*call).mayDeleteTemplate, (*call).deleteTemplate),
		write(s, "DeleteLaunchTemplateVersions", (*call).mayDeleteVersions, (*call).deleteVersions),
		read(s, "DescribeLaunchTemplates", onAll, (*call).describeTemplates),
		read(s, "DescribeLaunchTemplateVersions", onAll, (*call).describeVersions),
	}
}

func (s *EC2) instanceOperations() []service.Operation {
	return []service.Operation{
		write(s, "RunInstances", (*call).mayRunInstances, (*call).runInstances),
		write(s, "TerminateInstances", onEach(instanceNoun, func(in *api.TerminateInstancesInput) []string { return in.InstanceIds }), (*call).terminateInstances),
		write(s, "StopInstances", onEach(instanceNoun, func(in *api.StopInstancesInput) []string { return in.InstanceIds }), (*call).stopInstances),
		write(s, "StartInstances", onEach(instanceNoun, func(in *api.StartInstancesInput) []string { return in.InstanceIds }), (*call).startInstances),
		write(s, "RebootInstances", onEach(instanceNoun, func(in *api.RebootInstancesInput) []string { return in.InstanceIds }), (*call).rebootInstances),
		read(s, "DescribeInstances", onAll, (*call).describeInstances),
		read(s, "DescribeInstanceStatus", onAll, (*call).describeStatus),

		read(s, "DescribeInstanceAttribute", on(instanceNoun, func(in *api.DescribeInstanceAttributeInput) *string { return in.InstanceId }), (*call).describeAttribute),
		write(s, "ModifyInstanceAttribute", (*call).mayModifyAttribute, (*call).modifyAttribute),
		read(s, "DescribeInstanceCreditSpecifications", onAll, (*call).describeCredits),
		write(s, "ModifyInstanceMetadataOptions", (*call).mayModifyMetadata, (*call).modifyMetadata),

		write(s, "AssociateIamInstanceProfile", (*call).mayAssociateProfile, (*call).associateProfile),
		write(s, "ReplaceIamInstanceProfileAssociation", (*call).mayReplaceProfile, (*call).replaceProfile),
		write(s, "DisassociateIamInstanceProfile", (*call).mayDisassociateProfile, (*call).disassociateProfile),
		read(s, "DescribeIamInstanceProfileAssociations", onAll, (*call).describeProfiles),

		read(s, "DescribeVolumes", onAll, (*call).describeVolumes),
		read(s, "DescribeNetworkInterfaces", onAll, (*call).describeInterfaces),
	}
}
