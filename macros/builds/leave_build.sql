{% macro leave_build() -%}
    {%- if execute and this_build().get('ended') -%}
        {%- do until_done(
            'delete from ' ~ builds_table() ~ " where build in ('"
            ~ this_build()['ended'] | join("', '") ~ "')"
        ) -%}
    {%- endif -%}
{%- endmacro %}
