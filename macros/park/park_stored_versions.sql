{% macro park_stored_versions() -%}
    {%- set stored = {} -%}
    {%- if execute and load_relation(this) is not none -%}
        {%- for row in run_query(
            'select version, raw_table, batch_id, base_version, key_count, kept_count, filled, reason,'
            ~ ' is_current, is_held from ' ~ this ~ ' order by batch_id'
        ).rows -%}
            {%- do stored.update({row[0]: {
                'version': row[0], 'raw_table': row[1], 'batch_id': row[2] | int,
                'base_version': row[3], 'keys': row[4] | int,
                'kept': none if row[5] is none else row[5] | int, 'filled': row[6],
                'reason': row[7], 'is_current': row[8], 'is_held': row[9],
            }}) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- do return(stored) -%}
{%- endmacro %}
