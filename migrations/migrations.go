// Package migrations holds the schema's history as SQL files, embedded in the program.
//
// It owns the order and the text of the migrations; schema.sql is their result, for reading. It relies on nothing and runs nothing:
// models/store applies the files.
package migrations

import "embed"

// Files are the migrations, 00001_*.sql and on, in goose's format.
//
//go:embed 0*.sql
var Files embed.FS
