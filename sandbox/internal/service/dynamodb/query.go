package dynamodb

import (
	"context"

	api "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/mantle-iam/mantle/sandbox/internal/service"
)

func ofQuery(in *api.QueryInput) (*reading, error) {
	q := &reading{
		action: "Query", table: in.TableName, index: in.IndexName, key: in.KeyConditionExpression,
		projection: in.ProjectionExpression, filter: in.FilterExpression,
		names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
		sel: in.Select, limit: in.Limit, start: in.ExclusiveStartKey, consistent: in.ConsistentRead,
		consumed: in.ReturnConsumedCapacity, backward: in.ScanIndexForward != nil && !*in.ScanIndexForward,
	}
	err := firstError(
		legacy("KeyConditions", in.KeyConditions != nil, "KeyConditionExpression"),
		legacy("QueryFilter", in.QueryFilter != nil, "FilterExpression"),
		legacy("AttributesToGet", in.AttributesToGet != nil, "ProjectionExpression"),
		legacy("ConditionalOperator", in.ConditionalOperator != "", "AND and OR in FilterExpression"))
	if err == nil && in.KeyConditionExpression == nil {
		err = invalid("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	return q, err
}

func (d *DynamoDB) queryChecks(r *service.Request, in *api.QueryInput) (checks, error) {
	q, err := ofQuery(in)
	if err != nil {
		return nil, err
	}
	return d.readChecks(r, q)
}

func (d *DynamoDB) query(_ context.Context, r *service.Request, in *api.QueryInput) (*api.QueryOutput, error) {
	q, err := ofQuery(in)
	if err != nil {
		return nil, err
	}
	p, err := d.read(r, q)
	if err != nil {
		return nil, err
	}
	return &api.QueryOutput{Items: p.items, Count: p.count, ScannedCount: p.scanned, LastEvaluatedKey: p.last, ConsumedCapacity: p.meter.report(in.ReturnConsumedCapacity)}, nil
}

func ofScan(in *api.ScanInput) (*reading, error) {
	return &reading{
			action: "Scan", table: in.TableName, index: in.IndexName,
			projection: in.ProjectionExpression, filter: in.FilterExpression,
			names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues,
			sel: in.Select, limit: in.Limit, start: in.ExclusiveStartKey, consistent: in.ConsistentRead,
			consumed: in.ReturnConsumedCapacity, segment: in.Segment, segments: in.TotalSegments,
		}, firstError(
			legacy("ScanFilter", in.ScanFilter != nil, "FilterExpression"),
			legacy("AttributesToGet", in.AttributesToGet != nil, "ProjectionExpression"),
			legacy("ConditionalOperator", in.ConditionalOperator != "", "AND and OR in FilterExpression"))
}

func (d *DynamoDB) scanChecks(r *service.Request, in *api.ScanInput) (checks, error) {
	q, err := ofScan(in)
	if err != nil {
		return nil, err
	}
	return d.readChecks(r, q)
}

func (d *DynamoDB) scan(_ context.Context, r *service.Request, in *api.ScanInput) (*api.ScanOutput, error) {
	q, err := ofScan(in)
	if err != nil {
		return nil, err
	}
	p, err := d.read(r, q)
	if err != nil {
		return nil, err
	}
	return &api.ScanOutput{Items: p.items, Count: p.count, ScannedCount: p.scanned, LastEvaluatedKey: p.last, ConsumedCapacity: p.meter.report(in.ReturnConsumedCapacity)}, nil
}
