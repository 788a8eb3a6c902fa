// Package engine wires the parts of the product together and runs their workers.
//
// It owns the order in which things are made, and the preparation of a database: schema, installation record, roles. It relies on every package below
// it. Only cmd imports it; it knows nothing of HTTP doors and pages, and holds no rule of the business.
package engine
